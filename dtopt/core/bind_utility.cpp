// Binding of the dual of P2.
#include <algorithm>

#include "dtopt/core/binding.hpp"
#include "dtopt/core/utility_dual.hpp"

namespace dtopt {

namespace {

UtilitySegments make_segments(const Cube<double>& worth, const Cube<double>& weight, const Table<double>& level,
                              const Vector<double>& places, const Vector<std::int64_t>& starts) {
    const Size segments = level.shape(0), n = worth.shape(2);
    require(worth.shape(0) == segments && worth.shape(1) == 2, "worth must have shape (C, 2, N)");
    require(weight.shape(0) == segments && weight.shape(1) == 2 && weight.shape(2) == n,
            "weight must have the shape of worth");
    UtilitySegments all;
    const auto rows = [&](const Cube<double>& cube, const char* name) {
        require_numbers(cube.data(), cube.size(), name);
        return Matrix<double>(Doubles(cube.data(), cube.data() + cube.size()), 2 * segments, n);
    };
    all.worth = rows(worth, "worth");
    all.weight = rows(weight, "weight");
    all.level = copied(level, segments, 2, "level");
    all.places = copied(places, segments, "places");
    all.starts = copied(starts, starts.shape(0), "starts");
    require(!all.starts.empty() && all.starts.front() == 0 &&
                all.starts.back() == static_cast<std::int64_t>(segments) &&
                std::adjacent_find(all.starts.begin(), all.starts.end(), std::greater_equal<>()) == all.starts.end(),
            "starts must rise from 0 to the number of segments");
    return all;
}

void require_prices(const UtilitySegments& all, const Vector<double>& prices) {
    require(prices.shape(0) == all.price_count(), "prices must have N + 2C entries");
    require_numbers(prices.data(), prices.shape(0), "prices");
}

void require_temperature(double temperature) {
    require(temperature > 0.0 && temperature < INFINITY, "temperature must be above 0");
}

}  // namespace

void bind_utility(nb::module_& module) {
    nb::class_<UtilitySegments>(module, "UtilitySegments",
                                "Segments of servers' levels in the dual of P2; see `dtopt.utility_dual.UtilityDual`.")
        .def("__init__",
             [](UtilitySegments* self, const Cube<double>& worth, const Cube<double>& weight,
                const Table<double>& level, const Vector<double>& places, const Vector<std::int64_t>& starts) {
                 new (self) UtilitySegments(make_segments(worth, weight, level, places, starts));
             },
             nb::kw_only(), array_arg("worth"), array_arg("weight"), array_arg("level"), array_arg("places"),
             array_arg("starts"))
        .def("smoothed",
             [](const UtilitySegments& all, const Vector<double>& prices, double temperature) {
                 require_prices(all, prices);
                 require_temperature(temperature);
                 Doubles slope(all.price_count());
                 double value;
                 {
                     nb::gil_scoped_release released;
                     value = SmoothedUtility(all, SegmentChoice(all))(span_of(prices), temperature, slope);
                 }
                 return std::tuple(value, as_numpy(std::move(slope)));
             },
             array_arg("prices"), "temperature"_a, "Return the softened dual and its gradient.")
        .def("settled",
             [](const UtilitySegments& all, const Vector<double>& prices, const Vector<double>& unit,
                std::int64_t halvings) {
                 require_prices(all, prices);
                 require(unit.shape(0) == all.segments(), "unit must have an entry per segment");
                 for (Size c = 0; c < all.segments(); ++c) require(unit.data()[c] > 0.0, "unit must be above 0");
                 Doubles load;
                 {
                     nb::gil_scoped_release released;
                     load = settle_loads(all, span_of(prices), span_of(unit), halvings);
                 }
                 return as_numpy(std::move(load));
             },
             array_arg("prices"), array_arg("unit"), "halvings"_a,
             "Return the prices of load at which segments win least, by bisection, shape (C,).")
        .def("descend",
             [](const UtilitySegments& all, const Vector<double>& prices, const Vector<bool>& kept, double temperature,
                const Vector<double>& unit, const Vector<bool>& fixed, double scale, const AscentParams& params,
                Cancellation& cancellation) {
                 require_prices(all, prices);
                 require_temperature(temperature);
                 require(kept.shape(0) == all.segments(), "kept must have an entry per segment");
                 require(unit.shape(0) == all.price_count() && fixed.shape(0) == all.price_count(),
                         "unit and fixed must be as long as the prices");
                 for (Size j = 0; j < all.price_count(); ++j) require(unit.data()[j] > 0.0, "unit must be above 0");
                 for (Size k = 0; k < all.servers(); ++k)
                     require(std::any_of(kept.data() + all.starts[k], kept.data() + all.starts[k + 1],
                                         [](bool is_kept) { return is_kept; }),
                             "a segment of each server must be kept");
                 require(scale > 0.0, "scale must be above 0");
                 require(params.memory >= 1, "memory must be at least 1");
                 Doubles found;
                 {
                     nb::gil_scoped_release released;
                     found = descend_utility(all, span_of(prices), span_of(kept), temperature, span_of(unit),
                                             span_of(fixed), scale, params, cancellation);
                 }
                 return as_numpy(std::move(found));
             },
             nb::kw_only(), array_arg("prices"), array_arg("kept"), "temperature"_a, array_arg("unit"),
             array_arg("fixed"), "scale"_a, "params"_a, "cancellation"_a,
             "Return prices that lower the dual softened at one temperature; those of segments not kept stay.");
}

}  // namespace dtopt
