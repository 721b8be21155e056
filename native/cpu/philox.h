// The generator, for sources that are compiled once per instruction-set level.
#ifndef ATTUNE_PHILOX_H
#define ATTUNE_PHILOX_H

#include "../common/philox.h"
#include "simd.h"

#endif
