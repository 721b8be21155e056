// Which tile a block works on. Lengths lie in device memory and the host never waits for them, so the grid
// cannot follow from them: it is as many blocks as the device holds at once, and each takes tile after tile
// from a counter until none is left. A small kernel writes the list of tiles first: sequences in falling
// order of what a tile of theirs costs, so that the long ones do not begin last. Which block computes a
// tile changes no bit of it.
#ifndef ATTUNE_CUDA_ATTENTION_SCHEDULE_CUH
#define ATTUNE_CUDA_ATTENTION_SCHEDULE_CUH

#include "attention_plan.h"
#include "device.cuh"

namespace attune::cuda {

// Lies in scratch. Sequence order[n] owns tiles first[n]..first[n + 1] of one head.
struct Schedule {
  int32_t* next;   // the first tile that no block has taken
  int32_t* first;  // (B + 1)
  int32_t* order;  // (B)

  // Both lists of a backward pass, in 32-bit words.
  static constexpr int64_t kLists = 2;
  static constexpr int64_t words(int64_t B) { return 2 * B + 2; }
  static Schedule at(int32_t* scratch, int64_t B) { return {scratch, scratch + 1, scratch + 2 + B}; }
};

// What one block of the scheduling kernel lists: the tiles of the rows of `own`.
struct ScheduleRequest {
  Schedule out;
  const int32_t* own;
  const int32_t* other;
  int32_t tile;
  int32_t blocks;  // of the kernel that will read the list: tiles 0..blocks-1 are taken at its start
  Index index;     // the name of `own`
  bool in_order;   // sequences as they come: the list is then the same in every run, not only each tile
};

// A sequence whose offsets fall is taken as empty; the scheduling kernel records it.
__device__ __forceinline__ int32_t length_of(const int32_t* offsets, int32_t b) {
  const int32_t length = offsets[b + 1] - offsets[b];
  return length > 0 ? length : 0;
}

constexpr int kScheduleThreads = 256;  // and buckets of cost
constexpr int kScheduleShared = (kScheduleThreads + kScheduleThreads / kWarp) * 4;

// The sum of the values of all lower threads, and of all threads. Ends in a barrier.
__device__ __forceinline__ int32_t block_scan(int32_t value, int32_t* warp_sums, int32_t* total) {
  int32_t inclusive = value;
#pragma unroll
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const int32_t below = shuffle_up(inclusive, distance);
    if (lane_id() >= distance) inclusive += below;
  }
  if (lane_id() == kWarp - 1) warp_sums[warp_id()] = inclusive;
  __syncthreads();
  int32_t before = 0, sum = 0;
#pragma unroll
  for (int w = 0; w < kScheduleThreads / kWarp; ++w) {
    if (w < warp_id()) before += warp_sums[w];
    sum += warp_sums[w];
  }
  __syncthreads();
  *total = sum;
  return before + inclusive - value;
}

// Longest first, by the length of the other side (a tile's cost) in steps of 128 rows.
__device__ __forceinline__ int cost_bucket(int32_t length) {
  return kScheduleThreads - 1 - smaller(length / 128, kScheduleThreads - 1);
}

static __global__ void __launch_bounds__(kScheduleThreads, 1)
    attention_schedule(ScheduleRequest first_request, ScheduleRequest second_request, int32_t B, ErrorWord* error,
                       Op op) {
  const ScheduleRequest a = blockIdx.x == 0 ? first_request : second_request;
  int32_t* buckets = shared_memory<int32_t>();
  int32_t* warp_sums = buckets + kScheduleThreads;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0 && B > 0 && a.own[0] < 0) record_bad_index(error, op, a.index, 0, a.own[0], int64_t{1} << 31);
  buckets[thread] = 0;
  __syncthreads();
  for (int32_t b = thread; b < B; b += kScheduleThreads) {
    if (a.own[b + 1] < a.own[b]) {
      record_bad_index(error, op, a.index, b + 1, a.own[b + 1], int64_t{1} << 31);
    }
    if (a.in_order) {
      a.out.order[b] = b;
    } else {
      atomicAdd(&buckets[cost_bucket(length_of(a.other, b))], 1);
    }
  }
  __syncthreads();
  int32_t total;
  const int32_t start = block_scan(buckets[thread], warp_sums, &total);
  buckets[thread] = start;
  __syncthreads();
  for (int32_t b = thread; b < B && !a.in_order; b += kScheduleThreads) {
    a.out.order[atomicAdd(&buckets[cost_bucket(length_of(a.other, b))], 1)] = b;
  }
  __syncthreads();
  int32_t running = 0;
  for (int32_t base = 0; base < B; base += kScheduleThreads) {
    const int32_t n = base + thread;
    const int32_t tiles = n < B ? (length_of(a.own, a.out.order[n]) + a.tile - 1) / a.tile : 0;
    const int32_t before = block_scan(tiles, warp_sums, &total);
    if (n < B) a.out.first[n] = running + before;
    running += total;
  }
  if (thread == 0) {
    a.out.first[B] = running;
    *a.out.next = a.blocks;
  }
}

struct TilePlace {
  int32_t sequence, head, tile, tiles;
};

// Tile number t of all heads. Whole warps call it: 32 separators are compared at a time, so that a batch of
// 1024 sequences takes two dependent reads.
__device__ __forceinline__ TilePlace find_tile(const Schedule& schedule, int32_t B, int32_t heads, int32_t t) {
  const int32_t u = t / heads;
  int32_t low = 0, count = B;
  while (count > 1) {
    const int32_t step = (count + kWarp - 1) / kWarp, mine = lane_id() * step;
    const int below = count_bits(ballot(mine < count && schedule.first[low + mine] <= u)) - 1;
    low += below * step;
    count = smaller(step, count - below * step);
  }
  const int32_t begin = schedule.first[low], tiles = schedule.first[low + 1] - begin;
  const int32_t local = t - begin * heads;
  return {schedule.order[low], local / tiles, local % tiles, tiles};
}

// The tile that a block works on. It lies in shared memory, not in registers, which accumulators fill.
struct Work {
  int64_t own_row, other_row;  // packed: the first row of the tile; the first row of the sequence's other side
  int32_t head;
  int32_t begin, rows;  // of the tile within its sequence
  int32_t queries, keys;
  int32_t part;   // where a tile is visited several times
  int32_t valid;  // 0: nothing is left
};

// A warp finds tile t, of `heads` heads from `first_head` on, and leaves it at `out`. Every tile comes `parts` times.
// With `backwards` the last tile of a sequence comes first: it is the longest under a causal mask.
__device__ __forceinline__ void find_work(Work* out, const Schedule& schedule, const int32_t* own, const int32_t* other,
                                          bool own_is_q, int32_t B, int32_t heads, int32_t parts, int32_t size,
                                          bool backwards, int32_t t, int32_t first_head = 0) {
  const bool valid = t < schedule.first[B] * heads * parts;
  TilePlace place{0, 0, 0, 1};
  if (valid) place = find_tile(schedule, B, heads, t / parts);
  if (lane_id() != 0) return;
  const int32_t b = place.sequence;
  out->valid = valid;
  if (!valid) return;
  const int32_t mine = length_of(own, b), others = length_of(other, b);
  out->begin = (backwards ? place.tiles - 1 - place.tile : place.tile) * size;
  out->rows = smaller(size, mine - out->begin);
  out->own_row = int64_t{own[b]} + out->begin;
  out->other_row = other[b];
  out->head = first_head + place.head;
  out->queries = own_is_q ? mine : others;
  out->keys = own_is_q ? others : mine;
  out->part = t % parts;
}

// The number of a tile that no block has taken, for a whole warp.
__device__ __forceinline__ int32_t take_tile(const Schedule& schedule) {
  int32_t t = 0;
  if (lane_id() == 0) t = atomicAdd(schedule.next, 1);
  return shuffle(t, 0);
}

}  // namespace attune::cuda

#endif
