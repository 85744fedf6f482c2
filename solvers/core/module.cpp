// The module `solvers._core`.
#include "dtopt/core/binding.hpp"

namespace dtopt {

void bind_decoder(nb::module_& module);
void bind_knapsack(nb::module_& module);
void bind_local_search(nb::module_& module);
void bind_neighbourhood(nb::module_& module);
void bind_migration(nb::module_& module);
void bind_learning(nb::module_& module);
void bind_networks(nb::module_& module);
void bind_placement(nb::module_& module);
void bind_placement_state(nb::module_& module);
void bind_sets(nb::module_& module);
void bind_slots(nb::module_& module);

}  // namespace dtopt

NB_MODULE(_core, module) {
    using namespace dtopt;
    nb::set_leak_warnings(false);
    module.doc() = "The compiled core of the searches; see `solvers/core/`.";
    // The types that both modules use are bound in the other.
    nb::module_::import_("dtopt._core");
    // Sharing, which others take as an argument, first.
    bind_placement(module);
    bind_placement_state(module);
    bind_local_search(module);
    bind_sets(module);
    bind_knapsack(module);
    bind_neighbourhood(module);
    bind_decoder(module);
    bind_migration(module);
    bind_slots(module);
    bind_learning(module);
    bind_networks(module);
}
