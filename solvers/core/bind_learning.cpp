// Bindings of the decoder of actions, of twins' models, and of the motion forecast.
#include <nanobind/stl/array.h>

#include "dtopt/core/binding.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/action_decoder.hpp"
#include "solvers/core/motion_forecast.hpp"
#include "solvers/core/twin_models.hpp"

namespace dtopt {

namespace {

template <class T>
MatrixView<const T> view_of(const Table<T>& array) {
    return {array.data(), array.shape(0), array.shape(1)};
}

ActionDecoder make_decoder(const Table<double>& transfer, const Table<double>& floor, const Table<double>& compute,
                           const Table<bool>& allowed, const Vector<double>& cycles, const Vector<double>& cpu,
                           const Vector<std::int64_t>& capacity, double weight, Sharing sharing,
                           std::int64_t max_open) {
    const Size n = cycles.shape(0), m = cpu.shape(0);
    ActionDecoder state{copied(transfer, n, m, "transfer"),
                        copied(floor, n, m, "floor"),
                        sharing == Sharing::FIXED ? copied(compute, n, m, "compute") : Matrix<double>(),
                        Matrix<char>(n, m),
                        copied(cycles, n, "cycles"),
                        copied(cpu, m, "cpu"),
                        copied(capacity, m, "capacity"),
                        weight,
                        sharing,
                        max_open,
                        {}};
    require(allowed.shape(0) == n && allowed.shape(1) == m, "allowed must have one entry per pair");
    for (Size j = 0; j < n * m; ++j) state.allowed.values()[j] = allowed.data()[j];
    state.finish();
    return state;
}

States states_of(const Cube<double>& states, Size servers, Size inputs, const char* name) {
    require(states.shape(1) == servers && states.shape(2) == inputs, std::string(name) + " has another shape");
    return {states.data(), states.shape(0), servers, inputs};
}

ModelShape shape_of(const Table<double>& models, Size inputs, Size hidden) {
    const ModelShape shape{inputs, hidden};
    require(models.shape(1) == shape.parameters(), "models have another number of parameters");
    return shape;
}

// See an array of places, whose last axis has two coordinates, as points.
template <class Array>
const Point* points_of(const Array& array) {
    require(array.shape(array.ndim() - 1) == 2, "places and velocities must have two coordinates");
    return reinterpret_cast<const Point*>(array.data());
}

template <class T>
void require_shape(const Table<T>& array, Size rows, Size columns, const char* name) {
    require(array.shape(0) == rows && array.shape(1) == columns, std::string(name) + " has another shape");
}

// Hand numbers over to NumPy as an array of any number of axes.
template <Size AXES>
nb::ndarray<nb::numpy, double, nb::ndim<AXES>> shaped(Doubles values, const Size (&shape)[AXES]) {
    auto owner = std::make_unique<Doubles>(std::move(values));
    double* data = owner->data();
    nb::capsule capsule(owner.get(), [](void* pointer) noexcept { delete static_cast<Doubles*>(pointer); });
    owner.release();
    return {data, AXES, shape, capsule};
}

Motion make_motion(const Cube<double>& seen, const Vector<std::int64_t>& ahead, double slot_s,
                   const ForecastParams& params) {
    const auto horizons = span_of(ahead);
    for (Size a = 0; a < horizons.size(); ++a)
        require(horizons[a] > (a > 0 ? horizons[a - 1] : 0), "ahead must rise and be above 0");
    require(params.samples > 0 && slot_s > 0.0, "samples and slot_s must be above 0");
    return fit_motion({points_of(seen), seen.shape(0), seen.shape(1)}, horizons, slot_s, params);
}

std::tuple<nb::ndarray<nb::numpy, double, nb::ndim<3>>, nb::ndarray<nb::numpy, double, nb::ndim<4>>> make_forecast(
    const Motion& motion, const Vector<std::int64_t>& user, const Table<double>& place, const Table<double>& velocity,
    const Vector<std::int64_t>& access, const Vector<double>& wire, const Vector<double>& move,
    const Table<double>& others, const Table<double>& pressure, const Table<bool>& allowed,
    const std::optional<Table<double>>& station, const Table<double>& to_server, const Table<double>& between,
    const Vector<std::int64_t>& shown, const ForecastParams& params, Cancellation& cancellation) {
    const Size n = user.shape(0), m = to_server.shape(0), servers = between.shape(0);
    require(m > 0 && servers > 0, "there must be a station and a server");
    require_shape(place, n, 2, "place");
    require_shape(velocity, n, 2, "velocity");
    require_shape(others, n, servers, "others");
    require_shape(pressure, n, servers, "pressure");
    require_shape(allowed, n, servers, "allowed");
    require_shape(to_server, m, servers, "to_server");
    require_shape(between, servers, servers, "between");
    if (station) require_shape(*station, m, 2, "station");
    require(access.shape(0) == n && wire.shape(0) == n && move.shape(0) == n,
            "access, wire and move must have one entry per user");
    require_indices(span_of(user), 0, static_cast<std::int64_t>(motion.pace.size()), "user");
    require_indices(span_of(access), -1, static_cast<std::int64_t>(m), "access");
    require_indices(span_of(shown), 0, static_cast<std::int64_t>(motion.ahead.size()), "shown");
    require(params.border_m > 0.0 && params.borders > 0.0 && params.loyalty_m > 0.0, "distances must be above 0");
    if (station) {
        require_numbers(place.data(), 2 * n, "place");
        require_numbers(velocity.data(), 2 * n, "velocity");
        require_numbers(station->data(), 2 * m, "station");
    }
    const StationMap map{station ? std::span(points_of(*station), m) : std::span<const Point>(), view_of(to_server),
                         view_of(between)};
    const MovingUsers users{{points_of(place), n}, {points_of(velocity), n}, span_of(user),    span_of(access),
                            span_of(wire),         span_of(move),            view_of(others),  view_of(pressure),
                            view_of(allowed)};
    Forecast found;
    {
        nb::gil_scoped_release released;
        found = forecast(motion, map, users, span_of(shown), params, cancellation);
    }
    return {shaped(std::move(found.value), {FUTURES, n, servers}),
            shaped(std::move(found.wire), {2, shown.shape(0), n, servers})};
}

}  // namespace

void bind_learning(nb::module_& module) {
    nb::class_<ActionDecoder>(module, "ActionDecoder",
                              "Makes associations of the stations' actions in one network state; see "
                              "`solvers/core/action_decoder.hpp`.")
        .def("__init__",
             [](ActionDecoder* self, const Table<double>& transfer, const Table<double>& floor,
                const Table<double>& compute, const Table<bool>& allowed, const Vector<double>& cycles,
                const Vector<double>& cpu, const Vector<std::int64_t>& capacity, double weight, Sharing sharing,
                std::int64_t max_open) {
                 new (self) ActionDecoder(make_decoder(transfer, floor, compute, allowed, cycles, cpu, capacity,
                                                       weight, sharing, max_open));
             },
             array_arg("transfer"), array_arg("floor"), array_arg("compute"), array_arg("allowed"),
             array_arg("cycles"), array_arg("cpu"), array_arg("capacity"), "weight"_a, "sharing"_a, "max_open"_a)
        .def("decode",
             [](const ActionDecoder& state, const Vector<bool>& open, const Vector<double>& bids,
                const Table<double>& scores, bool marginal, double score_weight) {
                 const Size n = state.cycles.size(), m = state.cpu.size();
                 require(open.shape(0) == m, "open must have one entry per station");
                 require(bids.shape(0) == m, "bids must have one entry per station");
                 require_numbers(bids.data(), m, "bids");
                 require(scores.shape(0) == n && scores.shape(1) == m, "scores must have one entry per pair");
                 Integers association;
                 {
                     nb::gil_scoped_release released;
                     association =
                         state.decode(span_of(open), span_of(bids), view_of(scores), marginal, score_weight);
                 }
                 return as_numpy(std::move(association));
             },
             array_arg("open"), array_arg("bids"), array_arg("scores"), "marginal"_a, "score_weight"_a,
             "Return each user's server, shape (N,), -1 where none has room.");

    module.def("model_values",
               [](const Table<double>& models, const Cube<double>& states, Size hidden) {
                   const ModelShape shape = shape_of(models, states.shape(2), hidden);
                   const States seen = states_of(states, states.shape(1), shape.inputs, "states");
                   require(seen.count == models.shape(0), "states must be those of one user for each model");
                   Matrix<double> values(seen.count, seen.servers);
                   {
                       nb::gil_scoped_release released;
                       model_values(view_of(models), seen, shape, values);
                   }
                   return as_numpy(std::move(values));
               },
               array_arg("models"), array_arg("states"), "hidden"_a,
               "Return what every user's model says of the user's servers, shape (n, S), from states (n, S, K).");
    module.def("model_gradients",
               [](const Table<double>& models, const Table<std::int64_t>& chosen, const Cube<double>& before,
                  const Cube<double>& after, const Cube<double>& gain, double discount, Size hidden) {
                   const ModelShape shape = shape_of(models, before.shape(2), hidden);
                   const Size servers = before.shape(1), samples = before.shape(0);
                   require(after.shape(0) == samples && gain.shape(0) == samples,
                           "before, after and gain must have as many samples");
                   const Samples taken{states_of(before, servers, shape.inputs, "before"),
                                       states_of(after, servers, shape.inputs, "after"),
                                       states_of(gain, servers, servers, "gain").data};
                   require(chosen.shape(0) == models.shape(0), "chosen must have a row for each model");
                   require_indices(std::span(chosen.data(), chosen.size()), -1, static_cast<std::int64_t>(samples),
                                   "chosen");
                   Matrix<double> slope(models.shape(0), models.shape(1));
                   Doubles error(models.shape(0));
                   {
                       nb::gil_scoped_release released;
                       model_gradients(view_of(models), view_of(chosen), taken, discount, shape, slope, error);
                   }
                   return std::tuple(as_numpy(std::move(slope)), as_numpy(std::move(error)));
               },
               array_arg("models"), array_arg("chosen"), array_arg("before"), array_arg("after"), array_arg("gain"),
               "discount"_a, "hidden"_a,
               "Return each model's gradient of the squared Bellman error over its samples, and that error.");

    nb::class_<ForecastParams>(module, "ForecastParams", "How a motion forecast is made.")
        .def(nb::init<>())
        .def_rw("samples", &ForecastParams::samples, "Ways that each horizon is fitted to, roughly.")
        .def_rw("prior", &ForecastParams::prior, "As many ways say that users go on as they are.")
        .def_rw("least_m_s", &ForecastParams::least_m_s, "Added to every user's pace, m/s.")
        .def_rw("border_m", &ForecastParams::border_m, "Distance over which one station takes over from another, m.")
        .def_rw("borders", &ForecastParams::borders,
                "Stations further than this many borders behind the nearest one serve nobody.")
        .def_rw("loyalty_m", &ForecastParams::loyalty_m, "Distance over which a user keeps its station, m.");
    nb::class_<Motion>(module, "Motion",
                       "How users have moved, fitted to the slots seen.\n\n"
                       "Parameters\n----------\nseen : ndarray, shape (R, N, 2)\n    Places, m; NaN where absent.\n"
                       "ahead : ndarray of int, shape (H,)\n    Horizons, slots, in order.\nslot_s : float\n"
                       "params : ForecastParams")
        .def("__init__",
             [](Motion* self, const Cube<double>& seen, const Vector<std::int64_t>& ahead, double slot_s,
                const ForecastParams& params) { new (self) Motion(make_motion(seen, ahead, slot_s, params)); },
             array_arg("seen"), array_arg("ahead"), "slot_s"_a, "params"_a)
        .def_prop_ro("factor", [](const Motion& m) { return as_numpy(Matrix<double>(m.factor)); }, nb::rv_policy::move,
                     "Factors of the velocity and of the way to the middle at each horizon, shape (H, 2).")
        .def_prop_ro("error", [](const Motion& m) { return as_numpy(Doubles(m.error)); }, nb::rv_policy::move,
                     "Root of the mean square error over the user's pace, shape (H,).")
        .def_prop_ro("pace", [](const Motion& m) { return as_numpy(Doubles(m.pace)); }, nb::rv_policy::move, "m in a slot, shape (N,).")
        .def_ro("middle", &Motion::middle, "The middle of all places seen.")
        .def_ro("survival", &Motion::survival, "The probability of being there in the next slot.");
    module.def("forecast", &make_forecast, "motion"_a, array_arg("user"), array_arg("place"), array_arg("velocity"),
               array_arg("access"), array_arg("wire"), array_arg("move"), array_arg("others"), array_arg("pressure"),
               array_arg("allowed"), array_arg("station").none(), array_arg("to_server"), array_arg("between"),
               array_arg("shown"), "params"_a, "cancellation"_a,
               "Return what being on each server after this slot is worth, by the user's best way through each future.\n\n"
               "Futures: fitted motion with its errors; on as before; and everyone stays. Arguments as in\n"
               "`solvers/core/motion_forecast.hpp`.\n\n"
               "Returns\n-------\nvalue : ndarray, shape (F, n, S)\n    In parts of the user's utility.\n"
               "wire : ndarray, shape (2, K, n, S)\n    Seconds of wire at the horizons `shown` of the first two futures.");
}

}  // namespace dtopt
