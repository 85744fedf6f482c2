// Binding of large neighbourhood search.
#include <utility>

#include "dtopt/core/binding.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/neighbourhood.hpp"

namespace dtopt {

namespace {

using Search = Exclusive<NeighbourhoodSearch>;
using Outcome = NeighbourhoodSearch::Outcome;
using Bounds = NeighbourhoodSearch::Bounds;

void make_search(Search* self, const PlacementView& view, const Vector<double>& user_prices,
                 const Vector<double>& place_prices, const std::optional<Table<std::int64_t>>& weight,
                 const std::optional<Vector<std::int64_t>>& room, const NeighbourhoodParams& params) {
    const Size n = view.users(), m = view.servers();
    require(view.dense, "the view must list all servers");
    require(params.grains >= 1 && params.grains < (1 << 24), "grains must be from 1 to 2^24 - 1");
    const bool fixed = view.sharing == Sharing::FIXED;
    require(weight.has_value() == fixed && room.has_value() == fixed,
            "weight and room must be given under fixed sharing, and only there");
    Integers rooms;
    Matrix<std::int32_t> weights;
    if (fixed) {
        rooms = copied(*room, m, "room");
        require_indices(rooms, 0, std::int64_t{1} << 30, "room");
        weights = whole_grains(copied(*weight, m, n, "weight"), rooms);
    }
    KnapsackPrices prices{copied(user_prices, n, "user_prices"), copied(place_prices, m, "place_prices")};
    new (self) Search(view, std::move(prices), std::move(weights), std::move(rooms), params);
}

// The association and the servers of a neighbourhood.
struct Neighbourhood {
    Integers association, servers;

    Neighbourhood(const PlacementView& view, const Vector<std::int64_t>& where, const Vector<std::int64_t>& which)
        : association(copied(where, view.users(), "association")), servers(copied(which, which.shape(0), "servers")) {
        const auto m = static_cast<std::int64_t>(view.servers());
        require_indices(association, 0, m, "association");
        require_indices(servers, 0, m, "servers");
        std::vector<char> seen(view.servers(), 0);
        for (const std::int64_t server : servers)
            require(seen[static_cast<Size>(server)]++ == 0, "servers must differ from each other");
    }
};

}  // namespace

void bind_neighbourhood(nb::module_& module) {
    nb::class_<NeighbourhoodParams, ClimbParams>(module, "NeighbourhoodParams",
                                                 "The tunables of `NeighbourhoodSearch`.")
        .def(nb::init<>())
        .def_rw("grains", &NeighbourhoodParams::grains, "That a server's load is cut into under optimal sharing.")
        .def_rw("growth", &NeighbourhoodParams::growth,
                "Load or count of a server is at most this times the larger of its own and its share of all.")
        .def_rw("most_entries", &NeighbourhoodParams::most_entries,
                "Entries of all tables; larger neighbourhoods are left alone.")
        .def_rw("first_part", &NeighbourhoodParams::first_part,
                "Part of the way from bound to cutoff: what is much better is looked for first.");
    nb::class_<Outcome>(module, "NeighbourhoodOutcome", "What came of a neighbourhood.")
        .def_prop_ro(
            "association",
            [](const Outcome& outcome) -> std::optional<VectorOut<std::int64_t>> {
                if (outcome.association.empty()) return std::nullopt;
                return as_numpy(Integers(outcome.association));
            },
            nb::rv_policy::move,
            "The whole association with a better one of these users, shape (N,); None where none was found.")
        .def_ro("change", &Outcome::change, "Of the cost; infinite without an association.")
        .def_ro("complete", &Outcome::complete,
                "Whether nothing better than the association returned is possible here, up to rounding.")
        .def_ro("nodes", &Outcome::nodes, "Nodes of branch and bound.");
    nb::class_<Search>(
        module, "NeighbourhoodSearch",
        "Solves a few servers and all their users together, the rest fixed; see `solvers/core/neighbourhood.hpp`.\n\n"
        "Parameters\n----------\nview : PlacementView\n    With all pairs listed.\nuser_prices, place_prices : ndarray, "
        "shapes (N,) and (M,)\n    To start from. Those of users follow the neighbourhoods solved.\nweight, room : "
        "ndarray of int, shapes (M, N) and (M,), or None\n    Demands and CPUs in grains under fixed sharing.\n"
        "params : NeighbourhoodParams")
        .def("__init__", &make_search, nb::keep_alive<1, 2>(), "view"_a, array_arg("user_prices"),
             array_arg("place_prices"), array_arg("weight").none(), array_arg("room").none(),
             "params"_a = NeighbourhoodParams{})
        .def(
            "solve",
            [](Search& self, const Vector<std::int64_t>& association, const Vector<std::int64_t>& servers,
               std::int64_t nodes, double step, const std::optional<Table<double>>& noise,
               Cancellation& cancellation) {
                const PlacementView& view = self.get().view();
                const Neighbourhood part(view, association, servers);
                Matrix<double> noises;
                if (noise) noises = copied(*noise, view.users(), view.servers(), "noise");
                return self.run([&](NeighbourhoodSearch& search) {
                    return search.solve(part.association, part.servers, nodes, step, noises, cancellation);
                });
            },
            array_arg("association"), array_arg("servers"), nb::kw_only(), "nodes"_a, "step"_a,
            array_arg("noise").none(), "cancellation"_a,
            "Look for a better association of the users of some servers.\n\nParameters\n----------\nassociation : "
            "ndarray of int, shape (N,)\nservers : ndarray of int\nnodes : int\n    Of branch and bound at most.\n"
            "step : float\n    Costs differ by at least this.\nnoise : ndarray, shape (N, M), or None\n    Added to the "
            "costs of pairs: the association found is then another good one, and may be a worse one.\n"
            "cancellation : Cancellation")
        .def(
            "bounds",
            [](Search& self, const Vector<std::int64_t>& association, const Vector<std::int64_t>& servers,
               double target, Cancellation& cancellation) {
                const Neighbourhood part(self.get().view(), association, servers);
                Bounds bounds = self.run([&](NeighbourhoodSearch& search) {
                    return search.bounds(part.association, part.servers, target, cancellation);
                });
                return std::tuple(bounds.cost, bounds.bound, as_numpy(std::move(bounds.pairs)));
            },
            array_arg("association"), array_arg("servers"), "target"_a, "cancellation"_a,
            "Return the cost of the users of some servers as they are, a lower bound on it raised towards a target, and "
            "lower bounds with each of the users on each of the servers.")
        .def_prop_ro(
            "prices", [](Search& self) { return as_numpy(Doubles(self.get().prices())); }, nb::rv_policy::move,
            "Of users.");
}

}  // namespace dtopt
