// Numbers to test with, the same everywhere, and a hash of results.
#ifndef ATTUNE_AMX_NUMBERS_H
#define ATTUNE_AMX_NUMBERS_H

#include <cstdint>
#include <random>
#include <vector>

namespace attune {

// Multiples of `unit`, as many as `range` different ones around zero.
inline std::vector<float> fractions(int64_t count, uint32_t seed, int range, float unit) {
  std::minstd_rand random(seed);
  std::vector<float> out(static_cast<size_t>(count));
  for (auto& value : out) {
    const int integer = static_cast<int>(random() % static_cast<uint32_t>(range)) - range / 2;
    value = static_cast<float>(integer) * unit;
  }
  return out;
}

class Hash {
 public:
  template <class T>
  void add(const std::vector<T>& values) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (size_t i = 0; i < values.size() * sizeof(T); ++i) value_ = (value_ ^ bytes[i]) * 1099511628211ull;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 14695981039346656037ull;
};

}  // namespace attune

#endif
