// Binding of the dual of P1 with whole knapsacks.
#include <algorithm>
#include <utility>

#include "dtopt/core/binding.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/knapsack_bound.hpp"

namespace dtopt {

namespace {

using Dual = Exclusive<KnapsackBound>;

void make_dual(Dual* self, const Table<double>& cost, const Table<std::int64_t>& weight,
               const Vector<std::int64_t>& room, const Vector<double>& empty, const Vector<bool>& forced,
               double constant, const Vector<double>& prices) {
    const Size m = cost.shape(0), n = cost.shape(1);
    ServerCases data;
    data.cost = copied(cost, m, n, "cost");
    const auto rooms = copied(room, m, "room");
    require_indices(rooms, 0, std::int64_t{1} << 30, "room");
    data.grains = whole_grains(copied(weight, m, n, "weight"), rooms);
    for (const std::int64_t grains : rooms) data.last.emplace_back(static_cast<Size>(grains) + 1, 0.0);
    data.opening = copied(empty, m, "empty");
    data.places.assign(m, static_cast<std::int64_t>(n));
    require(forced.shape(0) == m, "forced must have one entry per server");
    data.forced.assign(forced.data(), forced.data() + m);
    data.constant = constant;
    new (self) Dual(std::move(data), KnapsackPrices{copied(prices, n, "prices"), Doubles(m, 0.0)});
}

}  // namespace

void bind_knapsack(nb::module_& module) {
    nb::class_<ClimbParams>(module, "ClimbParams", "How prices are raised: deflected subgradients, Polyak's steps.")
        .def(nb::init<>())
        .def_rw("steps", &ClimbParams::steps)
        .def_rw("memory", &ClimbParams::memory, "Weight of the direction before in the next one.")
        .def_rw("patience", &ClimbParams::patience, "Steps without progress, then the step is halved.")
        .def_rw("least_gain", &ClimbParams::least_gain, "Part of the value that counts as progress.")
        .def_rw("shortest", &ClimbParams::shortest, "Length of a step at which the ascent ends.");
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
            "prices", [](Dual& self) { return as_numpy(Doubles(self.get().prices().user)); },
            [](Dual& self, const Vector<double>& prices) {
                KnapsackBound& dual = self.get();
                dual.set_user_prices(copied(prices, dual.cases().users(), "prices"));
            },
            nb::for_getter(nb::rv_policy::move), "The prices of the best value.")
        .def(
            "ascend",
            [](Dual& self, double target, const ClimbParams& params, Cancellation& cancellation) {
                require(target == target, "target must not be NaN");
                return self.run([&](KnapsackBound& dual) { return dual.climb(target, params, cancellation); });
            },
            "target"_a, "params"_a, "cancellation"_a, "Raise the value towards a target; return the best one.")
        .def(
            "pair_bounds",
            [](Dual& self, Cancellation& cancellation) {
                return as_numpy(self.run([&](KnapsackBound& dual) { return dual.pair_bounds(cancellation); }));
            },
            "cancellation"_a,
            "Return lower bounds on the cost with each user on each server, shape (M, N); -inf where cancelled.")
        .def(
            "keep",
            [](Dual& self, const Table<bool>& kept) {
                KnapsackBound& dual = self.get();
                require(kept.shape(0) == dual.cases().users() && kept.shape(1) == dual.cases().servers(),
                        "kept must have shape (N, M)");
                dual.keep({kept.data(), kept.shape(0), kept.shape(1)});
            },
            array_arg("kept"), "Leave out the pairs that are not kept, shape (N, M).");
}

}  // namespace dtopt
