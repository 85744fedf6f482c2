// Bindings of the search over open sets and of ejection chains.
#include <algorithm>
#include <optional>

#include "dtopt/core/binding.hpp"
#include "solvers/core/ejection.hpp"
#include "solvers/core/set_search.hpp"

namespace dtopt {

namespace {

// Copy servers, or an association, which may have −1 where `least` allows it.
Integers servers_in(const Vector<std::int64_t>& array, Size size, const PlacementView& view, std::int64_t least,
                    const char* name) {
    Integers servers = copied(array, size, name);
    require_indices(servers, least, static_cast<std::int64_t>(view.servers()), name);
    return servers;
}

Integers distinct_servers(const Vector<std::int64_t>& array, const PlacementView& view, const char* name) {
    Integers servers = servers_in(array, array.shape(0), view, 0, name);
    std::sort(servers.begin(), servers.end());
    require(std::adjacent_find(servers.begin(), servers.end()) == servers.end(),
            std::string(name) + " has a server twice");
    return servers;
}

std::tuple<double, VectorOut<std::int64_t>> as_tuple(Valued valued) {
    return {valued.cost, as_numpy(std::move(valued.association))};
}

void bind_set_search(nb::module_& module) {
    using P = SetSearchParams;
    nb::class_<P>(module, "SetSearchParams", "How the search over open sets goes, and when it ends.")
        .def(nb::init<>())
        .def_rw("shift_sweeps", &P::shift_sweeps, "Sweeps of shifts in a row, at most.")
        .def_rw("swap_sweeps", &P::swap_sweeps, "Sweeps of swaps, and cycles of three users, at most.")
        .def_rw("cycled", &P::cycled, "Users from one server to another that are tried in cycles of three.")
        .def_rw("kicks", &P::kicks, "Disturbances of each set that is valued.")
        .def_rw("last_kicks", &P::last_kicks, "Disturbances of the best set at the end.")
        .def_rw("hopeless", &P::hopeless, "Sets above the best cost by this part of it are not disturbed.")
        .def_rw("batch", &P::batch, "Sets of least bound that are valued at a time.")
        .def_rw("few_servers", &P::few_servers, "Up to this many servers all their sets are looked at.")
        .def_rw("equal_margin", &P::equal_margin,
                "Under equal sharing, where bounds are estimates: sets above the best cost by this part are valued.")
        .def_rw("looks", &P::looks, "Bounds of sets in one search, at most.")
        .def_rw("looked_users", &P::looked_users, "Users in all these bounds, at most.")
        .def_rw("values", &P::values, "Sets valued in one search, at most.")
        .def_rw("valued_pairs", &P::valued_pairs, "Pairs of users in all these values, at most.")
        .def_rw("least_values", &P::least_values, "Sets that may be valued whatever the number of users.");
    nb::class_<OpenSetSearch>(module, "OpenSetSearch",
                          "Which servers to open, by quick descents in sets of servers; one thread at a time.\n\n"
                          "Parameters\n----------\nview : PlacementView\n    Dense.\n"
                          "params : SetSearchParams, optional")
        .def(
            "__init__",
            [](OpenSetSearch* self, const PlacementView& view, const SetSearchParams& params) {
                require(view.dense, "the view must be dense");
                require(params.cycled >= 1, "cycled must be at least 1");
                require(params.batch >= 1, "batch must be at least 1");
                new (self) OpenSetSearch(view, params);
            },
            "view"_a, "params"_a = SetSearchParams{}, nb::keep_alive<1, 2>())
        .def(
            "bound",
            [](OpenSetSearch& search, const Vector<std::int64_t>& servers) {
                return search.bound(distinct_servers(servers, search.view(), "servers"));
            },
            array_arg("servers"),
            "Return a lower bound on the cost of a set of servers (an estimate under equal sharing); infinite where\n"
            "it has too few places.")
        .def(
            "descend",
            [](OpenSetSearch& search, const Vector<std::int64_t>& servers, const Vector<std::int64_t>& start,
               std::int64_t shift_sweeps, std::int64_t swap_sweeps, std::int64_t kicks, double hopeless,
               Cancellation& cancellation) {
                const Integers set = distinct_servers(servers, search.view(), "servers");
                const Integers from = servers_in(start, search.view().users(), search.view(), -1, "start");
                Valued found;
                {
                    nb::gil_scoped_release released;
                    found = search.descend(set, from, {shift_sweeps, swap_sweeps, kicks, hopeless}, cancellation);
                }
                return as_tuple(std::move(found));
            },
            array_arg("servers"), array_arg("start"), nb::kw_only(), "shift_sweeps"_a, "swap_sweeps"_a, "kicks"_a = 0,
            "hopeless"_a = INFINITY, "cancellation"_a,
            "Search among the servers of a set; return the cost and the association, -1 for users without room.")
        .def(
            "improve",
            [](OpenSetSearch& search, const Vector<std::int64_t>& usable, const Vector<std::int64_t>& start,
               Cancellation& cancellation) {
                const Integers servers = distinct_servers(usable, search.view(), "usable");
                const Integers from = servers_in(start, search.view().users(), search.view(), -1, "start");
                Valued found;
                {
                    nb::gil_scoped_release released;
                    found = search.improve(servers, from, cancellation);
                }
                return as_tuple(std::move(found));
            },
            array_arg("usable"), array_arg("start"), "cancellation"_a,
            "Close, open and exchange up to three usable servers while that pays; return as `descend` does.");
}

void bind_ejection(nb::module_& module) {
    using P = EjectionParams;
    nb::class_<P>(module, "EjectionParams", "How ejection chains and path relinking go; see `EjectionSearch`.")
        .def(nb::init<>())
        .def_rw("pool", &P::pool, "Elite associations that paths are laid between.")
        .def_rw("least_weight", &P::least_weight, "Least first weight of what servers lack, in mean costs of a pair.")
        .def_rw("least_gain", &P::least_gain, "Least gain of a move, in mean costs of a pair.")
        .def_rw("ease", &P::ease, "Factor of the weights after a local search that met feasible associations.")
        .def_rw("press", &P::press, "Factor of the weights of overloaded servers after one that met none.")
        .def_rw("press_first", &P::press_first, "The same as long as none has ever been met.")
        .def_rw("patience", &P::patience, "Local searches in a row that may leave the pool as it is.")
        .def_rw("way", &P::way, "Part of the way between two elite associations that is walked, at most.")
        .def_rw("depth", &P::depth, "Users that one chain may move.")
        .def_rw("sample", &P::sample, "Steps compared at each point of a path, at most.");
    nb::class_<EjectionSearch>(
        module, "EjectionSearch",
        "Ejection chains and path relinking under fixed sharing (Yagiura, Ibaraki and Glover, 2006).\n\n"
        "Parameters\n----------\nview : PlacementView\n    Dense, with fixed sharing.\n"
        "share_price, place_price : ndarray, shape (M,)\n    Prices of a whole CPU and of a place, from a dual bound.\n"
        "usable : ndarray of bool, shape (M,)\n    The servers that may be used.\n"
        "start : ndarray of int, shape (N,), or None\n    Where to begin; it may break constraints.\n"
        "seed : int\nparams : EjectionParams, optional\n\n"
        "Raises\n------\nValueError\n    Where a user is allowed on no server.")
        .def(
            "__init__",
            [](EjectionSearch* self, const PlacementView& view, const Vector<double>& share_price,
               const Vector<double>& place_price, const Vector<bool>& usable,
               const std::optional<Vector<std::int64_t>>& start, std::uint64_t seed, const EjectionParams& params) {
                require(view.dense, "the view must be dense");
                require(view.sharing == Sharing::FIXED, "ejection chains are for fixed sharing");
                require(view.data == PairData::NONE || view.data == PairData::FITTING, "the view must give CPU parts");
                require(params.pool >= 2, "pool must be at least 2");
                require(params.sample >= 1, "sample must be at least 1");
                require(params.way >= 0.0 && params.way <= 1.0, "way must be from 0 to 1");
                const Size n = view.users(), m = view.servers();
                require(usable.shape(0) == m, "usable must have one entry per server");
                Integers from;
                if (start) from = servers_in(*start, n, view, -1, "start");
                new (self) EjectionSearch(view, copied(share_price, m, "share_price"),
                                          copied(place_price, m, "place_price"),
                                          std::vector<char>(usable.data(), usable.data() + m),
                                          start ? std::optional<std::span<const std::int64_t>>(from) : std::nullopt,
                                          seed, params);
            },
            "view"_a, nb::kw_only(), array_arg("share_price"), array_arg("place_price"), array_arg("usable"),
            array_arg("start").none(), "seed"_a, "params"_a = EjectionParams{})
        .def("advance", &EjectionSearch::advance, "users"_a, "cancellation"_a, nb::call_guard<nb::gil_scoped_release>(),
             "Search the neighbourhoods of `users` users, fewer where cancelled; return how many.")
        .def_prop_ro("best_cost", &EjectionSearch::best_cost,
                     "Cost of the best feasible association so far; infinite while there is none.")
        .def_prop_ro(
            "best",
            [](const EjectionSearch& search) -> std::optional<VectorOut<std::int64_t>> {
                if (!(search.best_cost() < INFINITY)) return std::nullopt;
                return as_numpy(Integers(search.best().begin(), search.best().end()));
            },
            nb::rv_policy::move, "The best feasible association so far; None while there is none.");
}

}  // namespace

void bind_sets(nb::module_& module) {
    bind_set_search(module);
    bind_ejection(module);
}

}  // namespace dtopt
