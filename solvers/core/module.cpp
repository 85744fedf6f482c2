// The module `solvers._core`.
#include "dtopt/core/binding.hpp"

namespace dtopt {

void bind_learning(nb::module_& module);
void bind_networks(nb::module_& module);
void bind_placement(nb::module_& module);

}  // namespace dtopt

NB_MODULE(_core, module) {
    using namespace dtopt;
    nb::set_leak_warnings(false);
    module.doc() = "The compiled core of the searches; see `solvers/core/`.";
    // The types that both modules use are bound in the other.
    nb::module_::import_("dtopt._core");
    // Sharing, which others take as an argument, first.
    bind_placement(module);
    bind_learning(module);
    bind_networks(module);
}
