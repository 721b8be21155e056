#include "context.h"
#include "kernels.h"
#include "simd.h"
