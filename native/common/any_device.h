// Functions of host and device alike.
#ifndef ATTUNE_COMMON_ANY_DEVICE_H
#define ATTUNE_COMMON_ANY_DEVICE_H

#if defined(__CUDACC__)
#define ATTUNE_ANY_DEVICE __host__ __device__
#else
#define ATTUNE_ANY_DEVICE
#endif

#endif
