#include "rules.h"

#include "amx.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

template <class Product, class Instruction>
void multiply(Product* product, Instruction&& instruction) {
  const tmm::Session session;
  tmm::load<0>(product->c, 64);
  tmm::load<1>(product->a, 64);
  tmm::load_passing<2>(product->b, 64);
  instruction();
  tmm::store<0>(product->c, 64);
}

}  // namespace

void multiply(TileProduct* product) { multiply(product, &tmm::product<0, 1, 2>); }
void multiply_bytes(ByteProduct* product) { multiply(product, &tmm::product_of_bytes<0, 1, 2>); }

}  // namespace ATTUNE_ISA
}  // namespace attune
