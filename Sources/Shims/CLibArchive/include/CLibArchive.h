// libarchive, loaded only while an archive is read.
//
// Linked in the usual way, libarchive brings libxml2, ICU, nettle and the compressors with it: 2 MB resident in an agent that
// reads one package in a month. Here its functions are found at run time; their types are checked against its own headers.

#ifndef MUSTER_CLIBARCHIVE_H
#define MUSTER_CLIBARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

/// Every function of libarchive that muster calls.
#define CLIBARCHIVE_FUNCTIONS(FUNCTION)            \
    FUNCTION(archive_read_new)                     \
    FUNCTION(archive_read_free)                    \
    FUNCTION(archive_read_open2)                   \
    FUNCTION(archive_read_next_header)             \
    FUNCTION(archive_read_data)                    \
    FUNCTION(archive_error_string)                 \
    FUNCTION(archive_read_support_filter_none)     \
    FUNCTION(archive_read_support_filter_gzip)     \
    FUNCTION(archive_read_support_filter_xz)       \
    FUNCTION(archive_read_support_filter_zstd)     \
    FUNCTION(archive_read_support_filter_bzip2)    \
    FUNCTION(archive_read_support_filter_lzma)     \
    FUNCTION(archive_read_support_format_ar)       \
    FUNCTION(archive_read_support_format_tar)      \
    FUNCTION(archive_read_support_format_cpio)     \
    FUNCTION(archive_read_set_format_option)       \
    FUNCTION(archive_entry_pathname)               \
    FUNCTION(archive_entry_pathname_utf8)          \
    FUNCTION(archive_entry_hardlink)               \
    FUNCTION(archive_entry_hardlink_utf8)          \
    FUNCTION(archive_entry_symlink)                \
    FUNCTION(archive_entry_symlink_utf8)           \
    FUNCTION(archive_entry_perm)                   \
    FUNCTION(archive_entry_filetype)               \
    FUNCTION(archive_entry_size)

/// The loaded library; each member is the function of that name.
struct clibarchive {
    void *_Nonnull library;
#define CLIBARCHIVE_MEMBER(name) __typeof__(name) *_Nonnull name;
    CLIBARCHIVE_FUNCTIONS(CLIBARCHIVE_MEMBER)
#undef CLIBARCHIVE_MEMBER
};

/// Loads libarchive and fills `functions`. Returns NULL, or why not: a text that stays until this thread's next call.
const char *_Nullable clibarchive_load(struct clibarchive *_Nonnull functions);

/// Ends one load; the library goes when none is left.
void clibarchive_unload(struct clibarchive *_Nonnull functions);

#endif
