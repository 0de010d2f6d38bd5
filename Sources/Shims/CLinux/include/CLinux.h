#ifndef MUSTER_CLINUX_H
#define MUSTER_CLINUX_H
#endif
