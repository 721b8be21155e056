// Constant-initialised on purpose: loading the library must run no code of a level that the machine
// may not have.
#include "kernels.h"

namespace attune {
namespace ATTUNE_ISA {

// Weak: an op without a kernel here has a null address, and the library's entry says so.
#define ATTUNE_ENTRY(op) extern decltype(attune_##op) op __attribute__((weak));
#include "entries.inc"

extern const Kernels kTable = {
    &peak,
#define ATTUNE_ENTRY(op) &op,
#include "entries.inc"
};

}  // namespace ATTUNE_ISA
}  // namespace attune
