#include "rules.h"

#include "amx.h"

namespace attune {
namespace ATTUNE_ISA {

void multiply(TileProduct* product) {
  const tmm::Session session;
  tmm::load<0>(product->c, 64);
  tmm::load<1>(product->a, 64);
  tmm::load_passing<2>(product->b, 64);
  tmm::product<0, 1, 2>();
  tmm::store<0>(product->c, 64);
}

}  // namespace ATTUNE_ISA
}  // namespace attune
