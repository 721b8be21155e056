// Memory that was never written: its pages come with the first access.
#ifndef ATTUNE_PAGES_H
#define ATTUNE_PAGES_H

#include <cstdint>

namespace attune {
namespace ATTUNE_ISA {

// Has the pages of a range mapped by writing to them, and changes nothing. A load would map the page of zeros, which
// the store behind it had to replace: a second fault, and an interrupt of every processor that runs a thread of ours.
static inline void map_pages(float* begin, int64_t count) {
#if defined(__x86_64__)
  constexpr int64_t kPage = 4096 / sizeof(float);
  for (int64_t i = 0; i < count; i += kPage) __asm__ volatile("orl $0, %0" : "+m"(begin[i]));
  __asm__ volatile("orl $0, %0" : "+m"(begin[count - 1]));
#else
  (void)begin, (void)count;
#endif
}

}  // namespace ATTUNE_ISA
}  // namespace attune

#endif
