// Binding of local search.
#include <nanobind/stl/array.h>

#include "dtopt/core/binding.hpp"
#include "solvers/core/local_search.hpp"
#include "solvers/core/placing.hpp"

namespace dtopt {

namespace {

using Search = Exclusive<LocalSearch>;

using Question = std::optional<nb::typed<nb::callable, bool()>>;

// Run a step of a search that asks Python after each slice whether to end.
template <void (LocalSearch::*STEP)(Cancellation&, const Check&)>
void step(Search& self, Cancellation& cancellation, const Question& question) {
    const Check asking = [&question] {
        const nb::gil_scoped_acquire acquired;
        return nb::cast<bool>((*question)());
    };
    self.run([&](LocalSearch& search) { (search.*STEP)(cancellation, question ? asking : Check{}); });
}

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
        .def_rw("region_users", &P::region_users, "Users an iteration should look at; a small problem has no more.")
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
    module.def(
        "place_at_prices",
        [](const PlacementView& view, const Table<double>& price, const Vector<std::int64_t>& order) {
            require(price.shape(0) == view.users() && price.shape(1) == view.width(), "price must be (N, C)");
            const auto users = copied(order, order.shape(0), "order");
            require_indices(users, 0, static_cast<std::int64_t>(view.users()), "order");
            Shorts slots;
            {
                const nb::gil_scoped_release released;
                slots = place_at_prices(view, {price.data(), price.shape(0), price.shape(1)}, users);
            }
            return as_numpy(std::move(slots));
        },
        "view"_a, array_arg("price"), array_arg("order"),
        "Return the slots, int32, of users placed in this order at least price, where there is room; -1 for none.\n\n"
        "Parameters\n----------\nview : PlacementView\nprice : ndarray, shape (N, C)\n"
        "    Infinite or NaN where a pair is not to be used.\norder : ndarray of int64\n    Users.");
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
                    std::span<const bool> shut;
                    if (closed) shut = {closed->data(), closed->shape(0)};
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
        .def("descend", &step<&LocalSearch::descend>, "cancellation"_a, "check"_a = nb::none(),
             "Shift all users to their best servers until that no longer helps, or `check` returns True.")
        .def("polish", &step<&LocalSearch::polish>, "cancellation"_a, "check"_a = nb::none(),
             "Shift and swap all users until that hardly helps any more, or `check` returns True.")
        .def("close_servers", &step<&LocalSearch::close_servers>, "cancellation"_a, "check"_a = nb::none(),
             "Close servers, those first whose closing gains most, until none does, or `check` returns True.")
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
        .def_prop_ro("can_oscillate", [](Search& self) { return self.get().can_oscillate(); },
                     "Whether `oscillate` may help.")
        .def_prop_ro("slice_iterations", [](Search& self) { return self.get().slice_iterations(); },
                     "Iterations that take far less than a tenth of a second; by sizes alone.")
        .def_prop_ro("reach", [](Search& self) { return self.get().reach(); },
                     "Open servers around one that an iteration looks at.")
        .def_prop_ro("logged", [](Search& self) { return self.get().state().logged(); },
                     "Moves away from the best association.")
        .def_prop_ro("gains", [](Search& self) { return self.get().gains(); },
                     "What the stages of a descent may gain, for each kind of disturbance.")
        .def_prop_ro("params", [](Search& self) { return self.get().params(); });
}

}  // namespace dtopt
