// Bindings of P2 over many slots: its view, the dual over time, the search over paths, and the subsets of users.
#include <nanobind/stl/shared_ptr.h>

#include "dtopt/core/binding.hpp"
#include "solvers/core/slot_dual.hpp"
#include "solvers/core/slot_paths.hpp"
#include "solvers/core/slot_spread.hpp"
#include "solvers/core/slot_subsets.hpp"

namespace dtopt {

namespace {

using View = std::shared_ptr<const SlotView>;

// A constructor that calls a function.
template <class T, class... Arguments>
auto constructed(T (*make)(Arguments...)) {
    return [make](T* self, Arguments... arguments) { new (self) T(make(std::forward<Arguments>(arguments)...)); };
}

SlotView make_view(const Table<std::int64_t>& cell, const Vector<std::int64_t>& prior, Size sources,
                   const Table<double>& slack, const Cube<double>& move, const Vector<double>& growth,
                   const Vector<double>& size, const Vector<double>& room, const std::optional<Table<double>>& demand,
                   const Vector<double>& rate, const Vector<double>& part, const Vector<double>& places, double beta,
                   double penalty, Sharing sharing, bool hard, bool has_others) {
    SlotView view;
    const Size r = prior.shape(0), c = cell.shape(1), k = rate.shape(0);
    view.cell = copied(cell, r, c, "cell");
    view.prior = copied(prior, r, "prior");
    view.slack = copied(slack, r, c, "slack");
    require(move.shape(0) == r && move.shape(1) == c && move.shape(2) == c, "move must have shape (R, C, C)");
    require_numbers(move.data(), r * c * c, "move");
    view.move.assign(move.data(), move.data() + r * c * c);
    view.growth = copied(growth, r, "growth");
    view.size = copied(size, r, "size");
    view.room = copied(room, r, "room");
    require(demand.has_value() == (sharing == Sharing::FIXED), "demand must be given under fixed sharing, and only there");
    if (demand) view.demand = copied(*demand, r, c, "demand");
    view.rate = copied(rate, k, "rate");
    view.part = copied(part, k, "part");
    view.places = copied(places, k, "places");
    require(penalty == 0.0 || (penalty > 0.0 && !hard), "penalty must be at least 0, and 0 where deadlines are hard");
    require(beta == beta, "beta is NaN");
    view.beta = beta;
    view.penalty = penalty;
    view.sharing = sharing;
    view.hard = hard;
    view.has_others = has_others;
    view.finish(sources);
    return view;
}

SlotDual make_dual(View view, const Vector<std::int64_t>& cell, const Vector<double>& low, const Vector<double>& high,
                   double unit, const SlotDualParams& params) {
    const Size n = cell.shape(0);
    const Doubles lows = copied(low, n, "low"), highs = copied(high, n, "high");
    const Integers cells = copied(cell, n, "cell");
    require_indices(cells, 0, static_cast<std::int64_t>(view->cells()), "cell");
    require(unit > 0.0, "unit must be above 0");
    require(params.iterations >= 0 && params.memory >= 1 && params.pieces >= 1 && params.widening >= 1.1 && params.near_edges > 0.0,
            "params are out of range");
    std::vector<SlotSegment> segments(n);
    for (Size c = 0; c < n; ++c) segments[c] = {static_cast<Size>(cells[c]), lows[c], highs[c]};
    return {std::move(view), std::move(segments), unit, params};
}

SlotPrices make_prices(const Vector<double>& serve, const Table<double>& node, const Vector<double>& load,
                       const Vector<double>& place) {
    return {copied(serve, serve.shape(0), "serve"), copied(node, node.shape(0), node.shape(1), "node"),
            copied(load, load.shape(0), "load"), copied(place, place.shape(0), "place")};
}

CellPrices make_cells(const Vector<double>& level, const Vector<double>& load, const Vector<double>& place) {
    const Size k = level.shape(0);
    return {copied(level, k, "level"), copied(load, k, "load"), copied(place, k, "place")};
}

void require_cells(const SlotView& view, const CellPrices& cells) {
    require(cells.level.size() == view.cells(), "there must be prices of every cell");
}

Integers checked_choice(const SlotView& view, const Vector<std::int64_t>& choice) {
    Integers copy = copied(choice, view.rows(), "choice");
    for (Size row = 0; row < copy.size(); ++row)
        require(copy[row] >= 0 && copy[row] < view.real_width[row], "choice must be a position of each row");
    return copy;
}

Doubles segment_array(const SlotDual& dual, double SlotSegment::*end) {
    Doubles values;
    for (const SlotSegment& segment : dual.segments()) values.push_back(segment.*end);
    return values;
}

void bind_view(nb::module_& module) {
    nb::class_<SlotView>(module, "SlotView",
                         "P2 over many slots as the core reads it; see `solvers/core/slot_view.hpp`.\n\n"
                         "There are R rows (a user in a slot), sources numbered from R on (where a twin was before the "
                         "first row of a stay), C candidates of each, and K cells (a server in a slot).\n\n"
                         "Parameters\n----------\ncell : ndarray of int64, shape (R, C)\n    A list ends in -1.\n"
                         "prior : ndarray of int64, shape (R,)\n    The user's row in the slot before, or its source.\n"
                         "sources : int\nslack : ndarray, shape (R, C)\n"
                         "    The deadline less the latency that neither company nor moving changes, s.\n"
                         "move : ndarray, shape (R, C, C)\n"
                         "    Weighted time to move, s, by row, position and position before; infinite where hard "
                         "deadlines forbid it.\n"
                         "growth, size, room : ndarray, shape (R,)\n"
                         "    g = growth * rate and h = size * part; what rounding may take from a deadline, s.\n"
                         "demand : ndarray, shape (R, C), or None\n    h under fixed sharing.\n"
                         "rate, part, places : ndarray, shape (K,)\nbeta, penalty : float\nsharing : Sharing\n"
                         "hard : bool\n    Whether deadlines are hard.\n"
                         "has_others : bool\n    Whether a full row's last position stands for all other servers.")
        .def("__init__", constructed(&make_view), nb::kw_only(), array_arg("cell"), array_arg("prior"), "sources"_a,
             array_arg("slack"), array_arg("move"), array_arg("growth"), array_arg("size"), array_arg("room"),
             array_arg("demand").none(), array_arg("rate"), array_arg("part"), array_arg("places"), "beta"_a,
             "penalty"_a, "sharing"_a, "hard"_a, "has_others"_a)
        .def_prop_ro("rows", &SlotView::rows, "R.")
        .def_prop_ro("positions", &SlotView::positions, "C.")
        .def_prop_ro("cells", &SlotView::cells, "K.")
        .def_prop_ro("cell", [](const SlotView& v) { return shown(v.cell); })
        .def_prop_ro("prior", [](const SlotView& v) { return shown(v.prior); })
        .def_prop_ro("slack", [](const SlotView& v) { return shown(v.slack); })
        .def_prop_ro("move",
                     [](const SlotView& v) {
                         return nb::ndarray<nb::numpy, const double, nb::ndim<3>>(
                             v.move.data(), {v.rows(), v.positions(), v.positions()});
                     })
        .def_prop_ro("growth", [](const SlotView& v) { return shown(v.growth); })
        .def_prop_ro("size", [](const SlotView& v) { return shown(v.size); })
        .def_prop_ro("room", [](const SlotView& v) { return shown(v.room); })
        .def_prop_ro("demand", [](const SlotView& v) { return shown(v.demand); })
        .def_prop_ro("rate", [](const SlotView& v) { return shown(v.rate); })
        .def_prop_ro("part", [](const SlotView& v) { return shown(v.part); })
        .def_prop_ro("places", [](const SlotView& v) { return shown(v.places); })
        .def_prop_ro("width", [](const SlotView& v) { return shown(v.width); },
                     "Candidates of each row and source.")
        .def_prop_ro("real_width", [](const SlotView& v) { return shown(v.real_width); },
                     "The same without the position that stands for other servers.")
        .def_prop_ro("next", [](const SlotView& v) { return shown(v.next); },
                     "The row after each row and source; -1 at the end of a stay.")
        .def_ro("beta", &SlotView::beta)
        .def_ro("penalty", &SlotView::penalty)
        .def_ro("sharing", &SlotView::sharing)
        .def_ro("hard", &SlotView::hard);
}

void bind_start(nb::module_& module) {
    nb::class_<CellPrices>(module, "CellPrices", "A level of each cell, and its prices of load and places there.")
        .def("__init__", constructed(&make_cells), array_arg("level"), array_arg("load"), array_arg("place"))
        .def_prop_ro("level", [](const CellPrices& p) { return shown(p.level); })
        .def_prop_ro("load", [](const CellPrices& p) { return shown(p.load); })
        .def_prop_ro("place", [](const CellPrices& p) { return shown(p.place); });
    nb::class_<SlotStartParams>(module, "SlotStartParams", "How the first prices of the dual over time are found.")
        .def(nb::init<>())
        .def_rw("rounds", &SlotStartParams::rounds)
        .def_rw("warmest", &SlotStartParams::warmest, "First temperature of the logit, as a part of the spread of worth.")
        .def_rw("coldest", &SlotStartParams::coldest, "Its last temperature.")
        .def_rw("step", &SlotStartParams::step, "Part of the way that levels and prices go in a round.");
    nb::class_<SlotStart>(module, "SlotStart", "Levels and prices at which users that choose paths about agree.")
        .def_ro("cells", &SlotStart::cells)
        .def_prop_ro("serve", [](const SlotStart& s) { return shown(s.serve); })
        .def_prop_ro("node", [](const SlotStart& s) { return shown(s.node); })
        .def_ro("unit", &SlotStart::unit, "The size of a typical change of a price of a row or node.");
    module.def(
        "slot_start",
        [](const SlotView& view, const Vector<double>& even, const Vector<double>& top, const SlotStartParams& params,
           Cancellation& cancellation) {
            const Doubles first = copied(even, view.cells(), "even"), most = copied(top, view.cells(), "top");
            require(params.warmest > 0.0 && params.coldest > 0.0, "temperatures must be above 0");
            nb::gil_scoped_release released;
            return find_start(view, first, most, params, cancellation);
        },
        "view"_a, array_arg("even"), array_arg("top"), "params"_a, "cancellation"_a,
        "Return where the ascent of the dual over time starts; every row must have a candidate.\n\n"
        "Parameters\n----------\nview : SlotView\neven, top : ndarray, shape (K,)\n"
        "    The level of each cell to begin with, and its largest.\nparams : SlotStartParams\n"
        "cancellation : Cancellation");
    module.def(
        "slot_rounded",
        [](const SlotView& view, const CellPrices& cells, double temperature) {
            require_cells(view, cells);
            require(temperature > 0.0, "temperature must be above 0");
            Integers choice;
            {
                nb::gil_scoped_release released;
                choice = rounded(view, cells, temperature);
            }
            return as_numpy(std::move(choice));
        },
        "view"_a, "cells"_a, "temperature"_a,
        "Return the position of each row that most of its user is on, where users spread over paths by a logit.");
}

void bind_dual(nb::module_& module) {
    nb::class_<SlotPrices>(module, "SlotPrices", "Prices of the dual over time.\n\n"
                           "Parameters\n----------\nserve : ndarray, shape (R,)\nnode : ndarray, shape (R + S, C)\n"
                           "load, place : ndarray, shape (segments,)")
        .def("__init__", constructed(&make_prices), array_arg("serve"), array_arg("node"), array_arg("load"), array_arg("place"))
        .def_prop_ro("serve", [](const SlotPrices& p) { return shown(p.serve); })
        .def_prop_ro("node", [](const SlotPrices& p) { return shown(p.node); })
        .def_prop_ro("load", [](const SlotPrices& p) { return shown(p.load); })
        .def_prop_ro("place", [](const SlotPrices& p) { return shown(p.place); });
    nb::class_<SlotDualParams>(module, "SlotDualParams", "How the ascent of the dual over time goes.")
        .def(nb::init<>())
        .def_rw("iterations", &SlotDualParams::iterations, "Iterations at each temperature.")
        .def_rw("memory", &SlotDualParams::memory, "Past steps remembered.")
        .def_rw("remembered", &SlotDualParams::remembered, "Numbers remembered at most.")
        .def_rw("precision", &SlotDualParams::precision,
                "The ascent ends with a step that lowers the mean over rows by less, in units.")
        .def_rw("near", &SlotDualParams::near, "Segments take part whose cell loses no more by them, in units.")
        .def_rw("near_edges", &SlotDualParams::near_edges, "The same for edges, less their user's.")
        .def_rw("widening", &SlotDualParams::widening, "Factor of `near_edges` where edges left out matter.")
        .def_rw("halvings", &SlotDualParams::halvings, "Halvings in the search for a segment's price of load.")
        .def_rw("pieces", &SlotDualParams::pieces, "Parts that a segment is split into.");
    nb::class_<SlotDual>(module, "SlotDual",
                         "The Lagrangian dual of P2 over time, over segments of levels; see `solvers/core/slot_dual.hpp`.\n\n"
                         "Its value bounds what every feasible choice of paths is worth, for any prices; the constant "
                         "-(1-beta) sum E_i is left out.\n\n"
                         "Parameters\n----------\nview : SlotView\ncell : ndarray of int64, shape (segments,)\n"
                         "    In order.\nlow, high : ndarray, shape (segments,)\n    Equal for a single level.\n"
                         "unit : float\n    The size of a typical change of a price of a row or node.\nparams : SlotDualParams")
        .def("__init__", constructed(&make_dual), "view"_a, array_arg("cell"), array_arg("low"), array_arg("high"), "unit"_a,
             "params"_a)
        .def_prop_ro("unit", &SlotDual::unit)
        .def_prop_ro("n_segments", [](const SlotDual& d) { return d.segments().size(); })
        .def_prop_ro("cell",
                     [](const SlotDual& d) {
                         Integers cells;
                         for (const auto& segment : d.segments()) cells.push_back(static_cast<std::int64_t>(segment.cell));
                         return as_numpy(std::move(cells));
                     },
                     nb::rv_policy::automatic)
        .def_prop_ro("low", [](const SlotDual& d) { return as_numpy(segment_array(d, &SlotSegment::low)); },
                     nb::rv_policy::automatic)
        .def_prop_ro("high", [](const SlotDual& d) { return as_numpy(segment_array(d, &SlotSegment::high)); },
                     nb::rv_policy::automatic)
        .def("gains",
             [](const SlotDual& d, const SlotPrices& prices) {
                 d.require_prices(prices);
                 return as_numpy(d.gains(prices).won);
             },
             "prices"_a, "Return what cells win at both ends of all segments, shape (segments, 2).")
        .def("value",
             [](const SlotDual& d, const SlotPrices& prices) {
                 d.require_prices(prices);
                 nb::gil_scoped_release released;
                 return d.value(prices);
             },
             "prices"_a, "Return the dual, with what rounding can take from its sums added.")
        .def("smoothed",
             [](const SlotDual& d, const SlotPrices& prices, double temperature) {
                 d.require_prices(prices);
                 require(temperature > 0.0, "temperature must be above 0");
                 nb::gil_scoped_release released;
                 SlotValued found{0.0, prices};
                 found.value = d.smoothed(d.edges(prices, -INFINITY), prices, temperature, found.prices);
                 return std::pair(found.value, std::move(found.prices));
             },
             "prices"_a, "temperature"_a, "Return the dual with its maxima softened, and its gradient.")
        .def("settled",
             [](const SlotDual& d, const SlotPrices& prices) {
                 d.require_prices(prices);
                 nb::gil_scoped_release released;
                 return d.settled(prices);
             },
             "prices"_a, "Return prices with each segment's price of load where the segment wins least.")
        .def("best_levels",
             [](const SlotDual& d, const SlotPrices& prices) {
                 d.require_prices(prices);
                 nb::gil_scoped_release released;
                 return d.best_levels(prices);
             },
             "prices"_a, "Return the level and the prices of each cell's best segment.")
        .def("ascend",
             [](const SlotDual& d, const SlotPrices& prices, const Vector<double>& temperatures,
                Cancellation& cancellation) {
                 d.require_prices(prices);
                 const Doubles heats = copied(temperatures, temperatures.shape(0), "temperatures");
                 for (const double heat : heats) require(heat > 0.0, "temperatures must be above 0");
                 nb::gil_scoped_release released;
                 SlotValued found = d.ascend(prices, heats, cancellation);
                 return std::pair(found.value, std::move(found.prices));
             },
             "prices"_a, array_arg("temperatures"), "cancellation"_a,
             "Return the least value found over falling temperatures, and its prices.\n\n"
             "Parameters\n----------\nprices : SlotPrices\n    Where to begin.\n"
             "temperatures : ndarray\n    Of the softening, as parts of `unit`.\ncancellation : Cancellation")
        .def("finer",
             [](const SlotDual& d, const SlotPrices& prices, double accuracy) {
                 d.require_prices(prices);
                 nb::gil_scoped_release released;
                 return d.finer(prices, accuracy);
             },
             "prices"_a, "accuracy"_a, nb::sig("def finer(self, prices: SlotPrices, accuracy: float) -> "
                                               "tuple[SlotDual | None, SlotPrices]"),
             "Return the dual with the segments split that its value rests on, and the same prices for it.\n\n"
             "No dual where that would lower the value by no more than about `accuracy`.");
}

void bind_searches(nb::module_& module) {
    nb::class_<SlotPaths>(module, "SlotPaths",
                          "Local search over users' paths from any choice, feasible or not; see "
                          "`solvers/core/slot_paths.hpp`.\n\nEvery row must have a candidate.")
        .def("__init__", [](SlotPaths* self, View view, std::uint64_t seed) { new (self) SlotPaths(std::move(view), seed); },
             "view"_a, "seed"_a)
        .def_prop_ro("breach", &SlotPaths::breach, "What breaking a rule costs: more than all choices are worth.")
        .def("random_choice", [](SlotPaths& s) { return as_numpy(s.random_choice()); },
             "Return a random position of each row.")
        .def("value",
             [](SlotPaths& s, const Vector<std::int64_t>& choice) { return s.value(checked_choice(s.view(), choice)); },
             array_arg("choice"),
             "Return what a choice is worth without the constant part; far below 0 where it breaks a rule.")
        .def("improved",
             [](SlotPaths& s, const Vector<std::int64_t>& choice, std::int64_t sweeps, Cancellation& cancellation) {
                 Integers found = checked_choice(s.view(), choice);
                 {
                     nb::gil_scoped_release released;
                     found = s.improved(std::move(found), sweeps, cancellation);
                 }
                 return as_numpy(std::move(found));
             },
             array_arg("choice"), "sweeps"_a, "cancellation"_a,
             "Return what a choice becomes when users take their best paths in random order, until none gains by it.");
    nb::class_<SlotSubsetParams>(module, "SlotSubsetParams", "How much an enumeration of subsets may take.")
        .def(nb::init<>())
        .def_rw("edges", &SlotSubsetParams::edges, "Edges of each subset that is asked for, on average.")
        .def_rw("steps", &SlotSubsetParams::steps, "Steps of the enumeration for each of them.");
    nb::class_<SlotSubsets>(module, "SlotSubsets",
                            "Subsets of users of cells, as the edges that they come by: (row, position before, position).")
        .def_prop_ro("cell", [](const SlotSubsets& s) { return shown(s.cell); })
        .def_prop_ro("starts", [](const SlotSubsets& s) { return shown(s.starts); },
                     "Where the edges of each subset begin; one more at the end.")
        .def_prop_ro("worth", [](const SlotSubsets& s) { return shown(s.worth); })
        .def_prop_ro("row", [](const SlotSubsets& s) { return shown(s.row); })
        .def_prop_ro("source", [](const SlotSubsets& s) { return shown(s.source); })
        .def_prop_ro("position", [](const SlotSubsets& s) { return shown(s.position); })
        .def_ro("is_complete", &SlotSubsets::is_complete);
    module.def(
        "slot_subsets",
        [](const SlotDual& dual, const SlotPrices& prices, double room, std::int64_t limit,
           const SlotSubsetParams& params, Cancellation& cancellation) {
            dual.require_prices(prices);
            require(limit >= 0 && params.edges >= 0 && params.steps >= 0, "limits must be at least 0");
            require(room == room, "room is NaN");
            nb::gil_scoped_release released;
            return find_subsets(dual, prices, room, limit, params, cancellation);
        },
        "dual"_a, "prices"_a, "room"_a, "limit"_a, "params"_a, "cancellation"_a,
        "Return all subsets that are worth more than what their cell wins less `room`, at some prices.\n\n"
        "Incomplete with more than `limit` of them, or where finding them takes more than `params` allow.");
}

}  // namespace

void bind_slots(nb::module_& module) {
    bind_view(module);
    bind_start(module);
    bind_dual(module);
    bind_searches(module);
}

}  // namespace dtopt
