// A non-owning reference to something callable. Kernels take one where a template parameter would compile a whole
// loop nest again for each lambda, and where a call is rare beside the work it starts.
#ifndef ATTUNE_FUNCTION_REF_H
#define ATTUNE_FUNCTION_REF_H

#include <type_traits>

namespace attune {

template <class Signature>
class FunctionRef;

template <class... Arguments>
class FunctionRef<void(Arguments...)> {
 public:
  FunctionRef() = default;
  // Of a callable that lives at least as long as the reference.
  template <class Callable, class = std::enable_if_t<!std::is_same_v<std::decay_t<Callable>, FunctionRef>>>
  FunctionRef(Callable&& callable)
      : object_(const_cast<void*>(static_cast<const void*>(&callable))),
        call_([](void* object, Arguments... arguments) {
          (*static_cast<std::remove_reference_t<Callable>*>(object))(arguments...);
        }) {}

  void operator()(Arguments... arguments) const { call_(object_, arguments...); }

 private:
  void* object_ = nullptr;
  void (*call_)(void* object, Arguments... arguments) = nullptr;
};

}  // namespace attune

#endif
