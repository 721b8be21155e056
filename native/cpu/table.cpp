// Constant-initialised on purpose: loading the library must run no code of a level that the machine
// may not have.
#include "kernels.h"

namespace attune {
namespace ATTUNE_ISA {

extern const Kernels kTable = {
#define ATTUNE_ENTRY(op, parameters, arguments) &op,
#include "entries.inc"
};

}  // namespace ATTUNE_ISA
}  // namespace attune
