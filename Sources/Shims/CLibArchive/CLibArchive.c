#include "CLibArchive.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/// The name under which Debian's libarchive13 is found; its number changes with the binary interface.
static const char soname[] = "libarchive.so.13";

const char *clibarchive_load(struct clibarchive *functions) {
    memset(functions, 0, sizeof *functions);
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const char *reason = dlerror();
        return reason != NULL ? reason : soname;
    }
    functions->library = library;
    void *address = NULL;
#define CLIBARCHIVE_FIND(name)                                   \
    address = dlsym(library, #name);                             \
    if (address == NULL) {                                       \
        dlclose(library);                                        \
        return "libarchive.so.13 is too old: it lacks " #name;   \
    }                                                            \
    memcpy(&functions->name, &address, sizeof address);
    CLIBARCHIVE_FUNCTIONS(CLIBARCHIVE_FIND)
#undef CLIBARCHIVE_FIND
    return NULL;
}

void clibarchive_unload(struct clibarchive *functions) {
    dlclose(functions->library);
}
