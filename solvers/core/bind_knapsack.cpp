// Binding of the dual of P1 with whole knapsacks.
#include <algorithm>
#include <utility>

#include "dtopt/core/binding.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/knapsack_dual.hpp"

namespace dtopt {

namespace {

using Dual = Exclusive<KnapsackDual>;

void make_dual(Dual* self, const Table<double>& cost, const Table<std::int64_t>& weight,
               const Vector<std::int64_t>& room, const Vector<double>& empty, const Vector<bool>& forced,
               double constant, const Vector<double>& prices) {
    const Size m = cost.shape(0), n = cost.shape(1);
    KnapsackDual::Data data;
    data.cost = copied(cost, m, n, "cost");
    data.room = copied(room, m, "room");
    require_indices(data.room, 0, std::int64_t{1} << 30, "room");
    data.empty = copied(empty, m, "empty");
    require(forced.shape(0) == m, "forced must have one entry per server");
    data.forced.assign(forced.data(), forced.data() + m);
    data.constant = constant;
    data.weight = whole_grains(copied(weight, m, n, "weight"), data.room);
    new (self) Dual(std::move(data), copied(prices, n, "prices"));
}

}  // namespace

void bind_knapsack(nb::module_& module) {
    nb::class_<KnapsackParams>(module, "KnapsackParams", "How the prices of `KnapsackDual` are raised.")
        .def(nb::init<>())
        .def_rw("slice", &KnapsackParams::slice, "Steps after which progress is measured.")
        .def_rw("halvings", &KnapsackParams::halvings, "Halvings of the step before the ascent ends.")
        .def_rw("memory", &KnapsackParams::memory, "Weight of the direction before.")
        .def_rw("least_gain", &KnapsackParams::least_gain, "Part of the value that counts as progress.");
    nb::class_<Dual>(module, "KnapsackDual",
                             "The Lagrangian dual of P1 under fixed sharing with whole knapsacks.\n\n"
                             "The value at prices π on users is constant + Σ π + Σ_k min(0, empty_k + min {Σ_i (c_ki − "
                             "π_i) x_i :\nΣ_i w_ki x_i ≤ room_k}), without the outer min where a server is forced open."
                             "\n\nParameters\n----------\ncost : ndarray, shape (M, N)\n    Infinite where the pair is "
                             "not allowed.\nweight : ndarray of int, shape (M, N)\nroom : ndarray of int, shape (M,)\n"
                             "empty : ndarray, shape (M,)\n    What each server costs without users.\nforced : ndarray "
                             "of bool, shape (M,)\nconstant : float\nprices : ndarray, shape (N,)\n    To start from.")
        .def("__init__", &make_dual, array_arg("cost"), array_arg("weight"), array_arg("room"), array_arg("empty"),
             array_arg("forced"), "constant"_a, array_arg("prices"))
        .def_prop_ro("value", [](Dual& self) { return self.get().value(); }, "The best value so far: a lower bound.")
        .def_prop_rw(
            "prices", [](Dual& self) { return as_numpy(Doubles(self.get().prices())); },
            [](Dual& self, const Vector<double>& prices) {
                KnapsackDual& dual = self.get();
                dual.set_prices(copied(prices, dual.prices().size(), "prices"));
            },
            nb::for_getter(nb::rv_policy::move), "The prices of the best value.")
        .def(
            "ascend",
            [](Dual& self, double target, const KnapsackParams& params, Cancellation& cancellation) {
                require(target == target, "target must not be NaN");
                require(params.slice >= 1, "slice must be at least 1");
                return self.run([&](KnapsackDual& dual) { return dual.ascend(target, params, cancellation); });
            },
            "target"_a, "params"_a, "cancellation"_a, "Raise the value towards a target; return the best one.")
        .def(
            "pair_bounds",
            [](Dual& self, Cancellation& cancellation) {
                return as_numpy(self.run([&](KnapsackDual& dual) { return dual.pair_bounds(cancellation); }));
            },
            "cancellation"_a,
            "Return lower bounds on the cost with each user on each server, shape (M, N); -inf where cancelled.")
        .def(
            "keep",
            [](Dual& self, const Table<bool>& kept) {
                KnapsackDual& dual = self.get();
                require(kept.shape(0) == dual.prices().size() && kept.shape(1) == dual.servers(),
                        "kept must have shape (N, M)");
                dual.keep({kept.data(), kept.shape(0), kept.shape(1)});
            },
            array_arg("kept"), "Leave out the pairs that are not kept, shape (N, M).");
}

}  // namespace dtopt
