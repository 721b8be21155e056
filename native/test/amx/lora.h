// The second product of an adapter and its gradients on tiles: bytes that are known, for any number of threads.
#ifndef ATTUNE_AMX_LORA_H
#define ATTUNE_AMX_LORA_H

#include <cstdint>
#include <string>

namespace attune {

// Returns how many checks fail, which it prints.
int check_lora(const std::string& tiles, int32_t isa);

}  // namespace attune

#endif
