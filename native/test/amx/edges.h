// Products of a linear layer whose operands end where memory does: whatever is read or written past one is a fault.
#ifndef ATTUNE_AMX_EDGES_H
#define ATTUNE_AMX_EDGES_H

#include <cstdint>
#include <string>

namespace attune {

// Returns how many checks fail, which it prints; a fault ends the process with the name of the product.
int check_edges(const std::string& tiles, int32_t isa);

}  // namespace attune

#endif
