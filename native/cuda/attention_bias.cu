// The attention kernels with a relative position bias.
#include "attention_launch.cuh"

namespace attune::cuda {

ATTUNE_WITH_BIAS(, float)
ATTUNE_WITH_BIAS(, bf16)

}  // namespace attune::cuda
