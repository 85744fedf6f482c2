// Binding of local search.
#include "dtopt/core/binding.hpp"
#include "solvers/core/local_search.hpp"

namespace dtopt {

namespace {

using Search = Exclusive<LocalSearch>;

// Return the slots of an association; of users whose server is not listed, the first one.
std::vector<std::int32_t> slots_of(const PlacementView& view, const Vector<std::int64_t>& association) {
    const auto servers = copied(association, view.users(), "association");
    require_indices(servers, 0, static_cast<std::int64_t>(view.servers()), "association");
    std::vector<std::int32_t> slots(servers.size());
    for (Size i = 0; i < slots.size(); ++i)
        slots[i] = std::max(0, view.slot_of(i, static_cast<std::int32_t>(servers[i])));
    return slots;
}

void bind_params(nb::module_& module) {
    using P = LocalSearchParams;
    nb::class_<P, PenaltyParams>(module, "LocalSearchParams",
                                 "The tunables of local search; see `solvers/core/local_search_params.hpp`.")
        .def(nb::init<>())
        .def_rw("region_users", &P::region_users, "Users that an iteration should look at; a small problem has no more.")
        .def_rw("partners", &P::partners, "Users of each server that a user may swap with, in large problems.")
        .def_rw("passes", &P::passes, "Rounds of a descent at most, in large problems.")
        .def_rw("small_passes", &P::small_passes, "Rounds of a descent at most, in small problems.")
        .def_rw("sweeps", &P::sweeps, "Sweeps over all users at most.")
        .def_rw("settled", &P::settled, "A sweep that moves less than this part of the users is the last.")
        .def_rw("wide_reach", &P::wide_reach, "Open servers around one that a wide iteration looks at, at most.")
        .def_rw("wide_users", &P::wide_users, "Users that a wide iteration looks at, at most.")
        .def_rw("swap_gain", &P::swap_gain, "What swaps may gain then, a part of the cost by servers.")
        .def_rw("kicks", &P::kicks, "Of 64 iterations, those that move users at random (small problems).")
        .def_rw("exchanges", &P::exchanges, "Of 64 iterations, those that exchange servers.")
        .def_rw("least_kicked", &P::least_kicked, "Users that a kick moves.")
        .def_rw("more_kicked", &P::more_kicked, "Users that it may move beside.")
        .def_rw("draws", &P::draws, "Draws of a server near another, until one fits.")
        .def_rw("nearest", &P::nearest, "Servers near the first disturbance among which the second one is.")
        .def_rw("first_gain", &P::first_gain, "What a stage of a descent may gain before it was seen.")
        .def_rw("smoothing", &P::smoothing, "How fast what a stage was seen to gain is forgotten.")
        .def_rw("threshold", &P::threshold, "Acceptance above the incumbent, a part of the cost by servers.")
        .def_rw("threshold_fitting", &P::threshold_fitting, "The same under fixed sharing.")
        .def_rw("few_servers", &P::few_servers, "Up to this many servers, parts of the cost are per server alone.")
        .def_rw("drift", &P::drift, "Moves, beyond half the users, after which it goes back to the incumbent.")
        .def_rw("resum_moves", &P::resum_moves, "Moves, beyond ten times the users, after which sums are made again.")
        .def_rw("ease", &P::ease, "Factor of weights after an iteration without overload, in oscillation.")
        .def_rw("press", &P::press, "Factor of weights of overloaded servers.")
        .def_rw("first_weight", &P::first_weight, "Weight to begin oscillation with, a part of the cost by servers.");
}

}  // namespace

void bind_local_search(nb::module_& module) {
    bind_params(module);
    nb::class_<Search>(module, "LocalSearch",
                       "An iterated local search over the users and servers of a view; see "
                       "`solvers/core/local_search.hpp`.\n\nParameters\n----------\nview : PlacementView\n"
                       "params : LocalSearchParams\nseed : int")
        .def(
            "__init__",
            [](Search* self, const PlacementView& view, const LocalSearchParams& params, std::uint64_t seed) {
                require(view.users() > 0 && view.servers() > 0 && view.near.columns() > 0,
                        "a search needs users, servers and servers near them");
                require(params.region_users >= 0 && params.partners >= 0 && params.more_kicked >= 0 &&
                            params.nearest >= 1,
                        "a parameter is out of range");
                new (self) Search(view, params, seed);
            },
            nb::keep_alive<1, 2>(), "view"_a, "params"_a, "seed"_a)
        .def(
            "start",
            [](Search& self, const std::optional<Vector<std::int64_t>>& association,
               const std::optional<Vector<bool>>& closed) {
                const PlacementView& view = self.get().state().view();
                if (association) {
                    const auto slots = slots_of(view, *association);
                    self.run([&](LocalSearch& search) { search.start(slots); });
                } else {
                    require(!closed || closed->shape(0) == view.servers(), "closed must have one entry per server");
                    const std::span<const bool> shut = closed ? std::span(closed->data(), closed->shape(0))
                                                              : std::span<const bool>();
                    self.run([&](LocalSearch& search) { search.start_placed(shut); });
                }
            },
            array_arg("association").none() = nb::none(), array_arg("closed").none() = nb::none(),
            "Begin from an association, or from users placed in random order at least marginal cost.\n\n"
            "Parameters\n----------\nassociation : ndarray of int64, shape (N,), optional\n"
            "    Users whose server is not in their list go to the first of it.\n"
            "closed : ndarray of bool, shape (M,), optional\n"
            "    Servers that users are placed on only where they have no other.")
        .def(
            "focus",
            [](Search& self, const Vector<std::int64_t>& servers) {
                const auto some = copied(servers, servers.shape(0), "servers");
                require(!some.empty(), "servers must not be empty");
                require_indices(some, 0, static_cast<std::int64_t>(self.get().state().view().servers()), "servers");
                self.get().focus({some.begin(), some.end()});
            },
            array_arg("servers"), "Begin iterations at these servers, those that are given more often more often.")
        .def("oscillate", [](Search& self) { self.run([](LocalSearch& search) { search.oscillate(); }); },
             "From now on, walk through associations that break constraints too.")
        .def(
            "descend",
            [](Search& self, Cancellation& cancellation) {
                self.run([&](LocalSearch& search) { search.descend(cancellation); });
            },
            "cancellation"_a, "Shift all users to their best servers until that no longer helps.")
        .def(
            "polish",
            [](Search& self, Cancellation& cancellation) {
                self.run([&](LocalSearch& search) { search.polish(cancellation); });
            },
            "cancellation"_a, "Shift and swap all users until that hardly helps any more.")
        .def(
            "close_servers",
            [](Search& self, Cancellation& cancellation) {
                self.run([&](LocalSearch& search) { search.close_servers(cancellation); });
            },
            "cancellation"_a, "Close servers, those first whose closing gains most, until none does.")
        .def(
            "advance",
            [](Search& self, std::int64_t iterations, Cancellation& cancellation) {
                self.run([&](LocalSearch& search) { search.advance(iterations, cancellation); });
            },
            "iterations"_a, "cancellation"_a, "Do iterations.")
        .def(
            "advance_widely",
            [](Search& self, Cancellation& cancellation) {
                self.run([&](LocalSearch& search) { search.advance_widely(cancellation); });
            },
            "cancellation"_a, "Do an iteration that looks far around, for large problems.")
        .def(
            "best",
            [](Search& self) {
                const LocalSearch& search = self.get();
                const auto slots = search.best_slots();
                Integers servers(slots.size());
                for (Size i = 0; i < slots.size(); ++i) servers[i] = search.state().view().station(i, slots[i]);
                return as_numpy(std::move(servers));
            },
            "Return the best association so far, int64, shape (N,); the one at hand where none was feasible.")
        .def_prop_ro("best_cost", [](Search& self) { return self.get().best_cost(); },
                     "Cost of the best feasible association so far, infinite without one.")
        .def_prop_ro("iterations", [](Search& self) { return self.get().iterations(); },
                     "Iterations done, attempts to close servers included.")
        .def_prop_ro("improved_at", [](Search& self) { return self.get().improved_at(); },
                     "The iteration that found the best association.")
        .def_prop_ro("is_small", [](Search& self) { return self.get().is_small(); },
                     "Whether an iteration may look at all users, and every move may be tried.")
        .def_prop_ro("looks_near", [](Search& self) { return self.get().looks_near(); },
                     "Whether an iteration looks at much less around a server than a wide one.")
        .def_prop_ro("reach", [](Search& self) { return self.get().reach(); },
                     "Open servers around one that an iteration looks at.")
        .def_prop_ro("logged", [](Search& self) { return self.get().state().logged(); },
                     "Moves away from the best association.")
        .def_prop_ro("params", [](Search& self) { return self.get().params(); });
}

}  // namespace dtopt
