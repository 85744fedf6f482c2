// Bindings of the price dual of P1 and of wired pairs.
#include <algorithm>

#include "dtopt/core/binding.hpp"
#include "dtopt/core/price_dual.hpp"
#include "dtopt/core/quasi_newton.hpp"
#include "dtopt/core/wired_pairs.hpp"

namespace dtopt {

namespace {

// Copy an array that may be missing.
Doubles optional_copy(const std::optional<Vector<double>>& array, Size size, const char* name) {
    return array ? copied(*array, size, name) : Doubles{};
}

PricedData make_data(const Vector<double>& root_load, Size users, const Vector<double>& cpu,
                     const Vector<double>& capacity, const Vector<double>& opening, double worth,
                     std::int64_t max_open) {
    const Size m = cpu.shape(0);
    require(worth > 0.0, "worth must be above 0");
    return {copied(root_load, users, "root_load"), copied(cpu, m, "cpu"), copied(capacity, m, "capacity"),
            copied(opening, m, "opening"),         worth,                 max_open};
}

Columns make_columns(const PricedData& data, const Vector<std::int64_t>& start, const Vector<std::int32_t>& user,
                     const Vector<double>& cost, const std::optional<Vector<double>>& part,
                     const std::optional<Vector<double>>& floor) {
    Columns columns{data};
    const Size pairs = user.shape(0);
    columns.start = copied(start, columns.servers() + 1, "start");
    require(columns.start.front() == 0 && columns.start.back() == static_cast<std::int64_t>(pairs) &&
                std::is_sorted(columns.start.begin(), columns.start.end()),
            "start must rise from 0 to the number of pairs");
    columns.user = copied(user, pairs, "user");
    require_indices(columns.user, 0, static_cast<std::int64_t>(columns.users()), "user");
    columns.cost = copied(cost, pairs, "cost");
    columns.part = optional_copy(part, pairs, "part");
    columns.floor = optional_copy(floor, pairs, "floor");
    columns.finish();
    return columns;
}

void require_shapes(const Columns& c, const Vector<std::int64_t>& state, const Vector<double>& prices) {
    require(state.shape(0) == c.servers(), "state must have one entry per server");
    require(prices.shape(0) == price_count(c.users(), c.servers()), "prices must have N + 3M + 1 entries");
}

std::tuple<double, VectorOut<double>, std::int64_t> ascend_prices(const Columns& c, const Vector<std::int64_t>& state, const Vector<double>& start,
                        const Vector<double>& unit, const Vector<bool>& bounded, const Vector<bool>& fixed,
                        const Vector<double>& temperatures, const AscentParams& params, Cancellation& cancellation) {
    require_shapes(c, state, start);
    const Size size = start.shape(0);
    require(unit.shape(0) == size && bounded.shape(0) == size && fixed.shape(0) == size,
            "unit, bounded and fixed must be as long as the prices");
    require(params.memory >= 1, "memory must be at least 1");
    const Variables variables{span_of(start), span_of(unit), span_of(bounded), span_of(fixed)};
    const auto decided = span_of(state);
    Doubles chosen(c.pairs());
    Ascended found;
    {
        nb::gil_scoped_release released;
        found = ascend(
            [&](std::span<const double> prices, double temperature, std::span<double> slope) {
                return dual_smoothed(c, decided, prices, temperature, slope, chosen);
            },
            [&](std::span<const double> prices) { return dual_value(c, decided, prices); }, variables,
            span_of(temperatures), params, cancellation);
    }
    return {found.value, as_numpy(std::move(found.point)), found.evaluations};
}

}  // namespace

void bind_prices(nb::module_& module) {
    nb::class_<AscentParams>(module, "AscentParams", "How the quasi-Newton ascent of a dual goes, and when it ends.")
        .def(nb::init<>())
        .def_rw("iterations", &AscentParams::iterations, "Iterations at each temperature.")
        .def_rw("memory", &AscentParams::memory, "Past steps remembered.")
        .def_rw("halvings", &AscentParams::halvings, "Halvings of a step before the ascent ends at a temperature.")
        .def_rw("sufficient", &AscentParams::sufficient, "Share of the slope that a step must gain (Armijo).")
        .def_rw("least_gain", &AscentParams::least_gain, "Part of the value that an iteration must gain to go on.")
        .def_rw("enough", &AscentParams::enough, "Value from which on no further temperature is taken.");

    nb::class_<Columns>(module, "Columns",
                        "The pairs listed for the price dual of P1, server by server; see `PriceDual`.\n\n"
                        "The users that server k could take are ``user[start[k]:start[k + 1]]``; `cost`, and `part` and "
                        "`floor` where given, run beside `user`. `opening` is what each server costs beside its users' "
                        "gains.")
        .def("__init__",
             [](Columns* self, const Vector<std::int64_t>& start, const Vector<std::int32_t>& user,
                const Vector<double>& cost, const std::optional<Vector<double>>& part,
                const std::optional<Vector<double>>& floor, const Vector<double>& root_load, const Vector<double>& cpu,
                const Vector<double>& capacity, const Vector<double>& opening, double worth, std::int64_t max_open) {
                 new (self) Columns(make_columns(
                     make_data(root_load, root_load.shape(0), cpu, capacity, opening, worth, max_open), start, user,
                     cost, part, floor));
             },
             array_arg("start"), array_arg("user"), array_arg("cost"), array_arg("part").none(),
             array_arg("floor").none(), array_arg("root_load"), array_arg("cpu"), array_arg("capacity"),
             array_arg("opening"), "worth"_a, "max_open"_a)
        .def_prop_ro("n_users", &Columns::users)
        .def_prop_ro("n_servers", &Columns::servers)
        .def_prop_ro("n_pairs", &Columns::pairs)
        .def("of_server",
             [](const Columns& c, std::int64_t server) {
                 require(server >= 0 && server < static_cast<std::int64_t>(c.servers()), "there is no such server");
                 const auto k = static_cast<Size>(server);
                 const auto first = c.start[k], last = c.start[k + 1];
                 return std::make_tuple(as_numpy(Shorts(c.user.begin() + first, c.user.begin() + last)),
                                        as_numpy(Doubles(c.cost.begin() + first, c.cost.begin() + last)));
             },
             "server"_a, "Return the users listed at a server and the costs of these pairs.")
        .def_prop_ro("worth", [](const Columns& c) { return c.worth; })
        .def_prop_ro("max_open", [](const Columns& c) { return c.max_open; })
        .def_prop_ro("start", [](const Columns& c) { return shown(c.start); })
        .def_prop_ro("user", [](const Columns& c) { return shown(c.user); })
        .def_prop_ro("cost", [](const Columns& c) { return shown(c.cost); })
        .def_prop_ro("part", [](const Columns& c) { return shown(c.part); })
        .def_prop_ro("floor", [](const Columns& c) { return shown(c.floor); })
        .def_prop_ro("root_load", [](const Columns& c) { return shown(c.root_load); })
        .def_prop_ro("cpu", [](const Columns& c) { return shown(c.cpu); })
        .def_prop_ro("capacity", [](const Columns& c) { return shown(c.capacity); })
        .def_prop_ro("opening", [](const Columns& c) { return shown(c.opening); })
        .def("value",
             [](const Columns& c, const Vector<std::int64_t>& state, const Vector<double>& prices) {
                 require_shapes(c, state, prices);
                 return dual_value(c, span_of(state), span_of(prices));
             },
             array_arg("state"), array_arg("prices"),
             "Return the dual; a bound only if every pair that could gain is listed.")
        .def("smoothed",
             [](const Columns& c, const Vector<std::int64_t>& state, const Vector<double>& prices,
                double temperature) {
                 require_shapes(c, state, prices);
                 require(temperature > 0.0, "temperature must be above 0");
                 Doubles slope(prices.shape(0)), chosen(c.pairs());
                 const double value = dual_smoothed(c, span_of(state), span_of(prices), temperature, slope, chosen);
                 return std::make_tuple(value, as_numpy(std::move(slope)));
             },
             array_arg("state"), array_arg("prices"), "temperature"_a,
             "Return the softened dual and its gradient.")
        .def("ascend", &ascend_prices, array_arg("state"), array_arg("start"), array_arg("unit"), array_arg("bounded"),
             array_arg("fixed"), array_arg("temperatures"), "params"_a, "cancellation"_a,
             "Return the best value over all temperatures, its prices, and the evaluations of the softened dual.\n\n"
             "Parameters\n----------\nstate : ndarray of int64, shape (M,)\nstart, unit : ndarray, shape (N + 3M + 1,)\n"
             "    Prices to begin with, and the size of a typical change of each.\n"
             "bounded, fixed : ndarray of bool, shape (N + 3M + 1,)\n"
             "    Which prices must be at least 0, and which stay as they are.\n"
             "temperatures : ndarray\n    In units of the value, falling.\nparams : AscentParams\n"
             "cancellation : Cancellation\n    Once requested, the ascent ends with what it has.")
        .def("narrowed",
             [](const Columns& c, const Vector<double>& prices, double margin) {
                 require(prices.shape(0) == price_count(c.users(), c.servers()), "prices must have N + 3M + 1 entries");
                 nb::gil_scoped_release released;
                 return dual_narrowed(c, span_of(prices), margin);
             },
             array_arg("prices"), "margin"_a,
             "Return the columns of the pairs that cost at most `margin` more than they gain at these prices.")
        .def("least_priced",
             [](const Columns& c, const Vector<double>& load, const Vector<double>& place,
                const Vector<double>& share) {
                 const Size m = c.servers();
                 require(load.shape(0) == m && place.shape(0) == m && share.shape(0) == m,
                         "load, place and share must have one entry per server");
                 return as_numpy(dual_least_priced(c, span_of(load), span_of(place), span_of(share)));
             },
             array_arg("load"), array_arg("place"), array_arg("share"),
             "Return each user's least priced cost at these prices of servers, floors left out.")
        .def("region",
             [](const Columns& c, const Vector<double>& prices, const Vector<double>& margin,
                const Vector<std::int64_t>& servers, std::int64_t inner, const Vector<bool>& is_free) {
                 require(prices.shape(0) == price_count(c.users(), c.servers()), "prices must have N + 3M + 1 entries");
                 require(margin.shape(0) == c.users() && is_free.shape(0) == c.users(),
                         "margin and is_free must have one entry per user");
                 require_indices(span_of(servers), 0, static_cast<std::int64_t>(c.servers()), "servers");
                 require(inner >= 0 && inner <= static_cast<std::int64_t>(servers.shape(0)),
                         "inner must be a number of servers");
                 nb::gil_scoped_release released;
                 return cut_region(c, span_of(prices), span_of(margin), span_of(servers), static_cast<Size>(inner),
                                   span_of(is_free));
             },
             array_arg("prices"), array_arg("margin"), array_arg("servers"), "inner"_a, array_arg("is_free"),
             "Return the part of the dual in which prices may change.\n\n"
             "Parameters\n----------\nprices : ndarray, shape (N + 3M + 1,)\nmargin : ndarray, shape (N,)\n"
             "    Pairs of each user that cost at least so much more than they gain are left out.\n"
             "servers : ndarray of int64\n    Of the region; the prices of the first `inner` of them may change.\n"
             "is_free : ndarray of bool, shape (N,)\n    The users whose prices may change.");

    nb::class_<Region>(module, "Region",
                       "A dual over some users and servers, in place of the whole at fixed prices elsewhere.")
        .def_prop_ro("columns", [](const Region& r) { return Columns(r.columns); },
                     "What servers gain by users elsewhere is a part of their opening.")
        .def_prop_ro("users", [](const Region& r) { return shown(r.users); },
                     "Which they are in the whole; the prices of the first `free_users` may change.")
        .def_ro("free_users", &Region::free_users);

    nb::class_<WiredPairs>(module, "WiredPairs",
                           "Costs c_ik = base_i + slope_i d(b_i, k) and deadline floors of pairs; see `dtopt.wired`.")
        .def("__init__",
             [](WiredPairs* self, const Vector<double>& base, const Vector<double>& slope,
                const Vector<std::int64_t>& access, const Table<double>& distance, const Table<std::int32_t>& order,
                const std::optional<Vector<double>>& slack, const std::optional<Vector<double>>& pace,
                const std::optional<Vector<double>>& cycles, const std::optional<Vector<double>>& demand,
                const Vector<double>& root_load, const Vector<double>& cpu, const Vector<double>& capacity,
                const Vector<double>& opening, double worth, std::int64_t max_open) {
                 const Size n = base.shape(0), m = cpu.shape(0);
                 require(slack.has_value() == cycles.has_value() && pace.has_value() == cycles.has_value(),
                         "slack, pace and cycles must be given together");
                 require(m == 0 || order.shape(1) > 0, "order must list a station");
                 WiredPairs pairs{make_data(root_load, n, cpu, capacity, opening, worth, max_open),
                                  copied(base, n, "base"),
                                  copied(slope, n, "slope"),
                                  copied(access, n, "access"),
                                  copied(distance, m, m, "distance"),
                                  copied(order, m, order.shape(1), "order"),
                                  optional_copy(slack, n, "slack"),
                                  optional_copy(pace, n, "pace"),
                                  optional_copy(cycles, n, "cycles"),
                                  optional_copy(demand, n, "demand")};
                 require_indices(pairs.access, 0, static_cast<std::int64_t>(m), "access");
                 require_indices(pairs.order.values(), 0, static_cast<std::int64_t>(m), "order");
                 new (self) WiredPairs(std::move(pairs));
             },
             array_arg("base"), array_arg("slope"), array_arg("access"), array_arg("distance"), array_arg("order"),
             array_arg("slack").none(), array_arg("pace").none(), array_arg("cycles").none(),
             array_arg("demand").none(), array_arg("root_load"), array_arg("cpu"), array_arg("capacity"),
             array_arg("opening"), "worth"_a, "max_open"_a)
        .def("listed",
             [](const WiredPairs& pairs, const Vector<double>& radius) {
                 require(radius.shape(0) == pairs.users(), "radius must have one entry per user");
                 nb::gil_scoped_release released;
                 return list_pairs(pairs, span_of(radius));
             },
             array_arg("radius"), "Return the allowed pairs within each user's radius, m from its access station.")
        .def("settle",
             [](const WiredPairs& pairs, const Vector<double>& prices, const Vector<double>& radius,
                const Vector<std::int64_t>& state) {
                 require(prices.shape(0) == price_count(pairs.users(), pairs.servers()),
                         "prices must have N + 3M + 1 entries");
                 require(radius.shape(0) == pairs.users(), "radius must have one entry per user");
                 require(state.shape(0) == pairs.servers(), "state must have one entry per server");
                 Settled found;
                 {
                     nb::gil_scoped_release released;
                     found = settle(pairs, span_of(prices), span_of(radius), span_of(state));
                 }
                 return std::make_tuple(found.value, found.magnitude, as_numpy(std::move(found.server)),
                                        as_numpy(std::move(found.reach)));
             },
             array_arg("prices"), array_arg("radius"), array_arg("state"),
             "Return the dual over all N·M pairs, with what its rounding is relative to.\n\n"
             "Returns\n-------\nvalue : float\n    A valid lower bound but for rounding.\n"
             "magnitude : float\n    The sum of the sizes of all terms.\n"
             "server : ndarray, shape (M,)\n    V of each server.\n"
             "reach : ndarray, shape (N,)\n    The radius within which all pairs lie that gain; at least `radius`.");
}

}  // namespace dtopt
