// Binding of the view of P1.
#include "dtopt/core/binding.hpp"
#include "solvers/core/placement.hpp"

namespace dtopt {

namespace {

PlacementView make_view(const Table<std::int32_t>& station, const Table<double>& cost,
                        const std::optional<Table<double>>& more, const Vector<double>& size,
                        const Vector<double>& rate, const Table<std::int32_t>& near, const Vector<double>& cpu,
                        const Vector<double>& opening, const Vector<std::int64_t>& capacity, double penalty,
                        std::int64_t max_open, Sharing sharing, PairData data, bool dense) {
    const Size n = size.shape(0), m = cpu.shape(0), width = station.shape(1);
    PlacementView view;
    view.station = copied(station, n, width, "station");
    require_indices(view.station.values(), -1, static_cast<std::int64_t>(m), "station");
    view.cost = copied(cost, n, width, "cost");
    require(more.has_value() == (data != PairData::NONE), "more must be given unless data is NONE");
    if (more) view.more = copied(*more, n, width, "more");
    view.size = copied(size, n, "size");
    view.rate = copied(rate, n, "rate");
    view.near = copied(near, m, near.shape(1), "near");
    require_indices(view.near.values(), -1, static_cast<std::int64_t>(m), "near");
    view.cpu = copied(cpu, m, "cpu");
    view.opening = copied(opening, m, "opening");
    view.capacity = copied(capacity, m, "capacity");
    view.penalty = penalty;
    view.max_open = max_open;
    view.sharing = sharing;
    view.data = data;
    view.dense = dense;
    require(!dense || width == m, "a dense view must list all servers");
    for (Size i = 0; i < n; ++i) {
        const auto list = view.station.row(i);
        require(!list.empty() && list[0] >= 0, "each user must have a server in its list");
        for (Size c = 0; dense && c < width; ++c)
            require(list[c] == static_cast<std::int32_t>(c), "slot k of a dense view must be server k");
        for (Size c = 1; c < width; ++c)
            require(list[c] < 0 || list[c - 1] >= 0, "a list must not go on after a -1");
    }
    return view;
}

}  // namespace

void bind_placement(nb::module_& module) {
    nb::enum_<Sharing>(module, "Sharing", "How servers share their CPU.")
        .value("FIXED", Sharing::FIXED)
        .value("OPTIMAL", Sharing::OPTIMAL)
        .value("EQUAL", Sharing::EQUAL);
    nb::enum_<PairData>(module, "PairData", "What the view of a placement says of pairs beside their costs.")
        .value("NONE", PairData::NONE)
        .value("FITTING", PairData::FITTING, "The part of the server's CPU that must be set aside.")
        .value("CLAMPED", PairData::CLAMPED, "Such a part that clamps shares under optimal sharing.")
        .value("LIMITED", PairData::LIMITED, "The largest number of twins among which the user keeps its deadline.")
        .value("LATE", PairData::LATE, "a such that the user is late by a + b x / F; see `solvers/core/placement.hpp`.");
    nb::class_<PlacementView>(module, "PlacementView",
                              "A P1 problem as the searches read it; see `solvers/core/placement.hpp`.")
        .def("__init__",
             [](PlacementView* self, const Table<std::int32_t>& station, const Table<double>& cost,
                const std::optional<Table<double>>& more, const Vector<double>& size, const Vector<double>& rate,
                const Table<std::int32_t>& near, const Vector<double>& cpu, const Vector<double>& opening,
                const Vector<std::int64_t>& capacity, double penalty, std::int64_t max_open, Sharing sharing,
                PairData data, bool dense) {
                 new (self) PlacementView(make_view(station, cost, more, size, rate, near, cpu, opening, capacity,
                                                    penalty, max_open, sharing, data, dense));
             },
             nb::kw_only(), array_arg("station"), array_arg("cost"), array_arg("more").none(), array_arg("size"),
             array_arg("rate"), array_arg("near"), array_arg("cpu"), array_arg("opening"), array_arg("capacity"),
             "penalty"_a, "max_open"_a, "sharing"_a, "data"_a, "dense"_a)
        .def_prop_ro("n_users", &PlacementView::users)
        .def_prop_ro("n_servers", &PlacementView::servers)
        .def_prop_ro("width", &PlacementView::width, "Servers in each user's list.")
        .def_ro("sharing", &PlacementView::sharing)
        .def_ro("data", &PlacementView::data)
        .def_ro("dense", &PlacementView::dense)
        .def_ro("max_open", &PlacementView::max_open);
}

}  // namespace dtopt
