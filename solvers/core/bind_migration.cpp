// Bindings of the view of P2 and of its searches.
#include "dtopt/core/binding.hpp"
#include "solvers/core/horizon.hpp"
#include "solvers/core/migration.hpp"
#include "solvers/core/migration_search.hpp"
#include "solvers/core/shift_search.hpp"

namespace dtopt {

namespace {

MigrationView make_view(const Table<double>& slack, const std::optional<Table<double>>& demand,
                        const Vector<double>& deadline, const Vector<double>& growth, const Vector<double>& rate,
                        const Vector<double>& size, const Vector<double>& part, const Vector<std::int64_t>& capacity,
                        double beta, double penalty, bool hard, Sharing sharing) {
    const Size n = slack.shape(0), m = slack.shape(1);
    MigrationView view;
    view.slack = copied(slack, n, m, "slack");
    require(demand.has_value() == (sharing == Sharing::FIXED), "demand must be given under fixed sharing only");
    if (demand) view.demand = copied(*demand, n, m, "demand");
    view.deadline = copied(deadline, n, "deadline");
    view.growth = copied(growth, n, "growth");
    view.size = copied(size, n, "size");
    if (sharing == Sharing::FIXED)
        for (Size i = 0; i < n; ++i)
            require(view.growth[i] == 0.0 && view.size[i] == 0.0, "growth and size must be 0 under fixed sharing");
    view.rate = copied(rate, m, "rate");
    view.part = copied(part, m, "part");
    view.capacity = copied(capacity, m, "capacity");
    require(beta >= 0.0 && penalty >= 0.0, "beta and penalty must be at least 0");
    view.beta = beta;
    view.penalty = penalty;
    view.hard = hard;
    view.sharing = sharing;
    view.finish();
    return view;
}

// Check an association: a server for each user, or at least -1.
std::span<const std::int64_t> checked(const MigrationView& view, const Vector<std::int64_t>& association,
                                      std::int64_t least) {
    require(association.shape(0) == view.users(), "association must have an entry per user");
    const auto servers = span_of(association);
    require_indices(servers, least, static_cast<std::int64_t>(view.servers()), "association");
    return servers;
}

Horizon make_horizon(const Cube<double>& slack, const Vector<double>& growth, const Table<double>& rate,
                     const Vector<double>& size, const Table<double>& part, const Vector<double>& move,
                     const Table<double>& gap, const Table<double>& stays, const Table<double>& weight, double beta,
                     double penalty, bool hard) {
    const Size steps = slack.shape(0), n = slack.shape(1), m = slack.shape(2);
    require(steps >= 1 && (m >= 1 || n == 0), "slack must have a slot and a server");
    require_numbers(slack.data(), slack.size(), "slack");
    Horizon z;
    z.steps = steps;
    z.slack.assign(slack.data(), slack.data() + slack.size());
    z.growth = copied(growth, n, "growth");
    z.size = copied(size, n, "size");
    z.rate = copied(rate, steps, m, "rate");
    z.part = copied(part, steps, m, "part");
    z.move = copied(move, n, "move");
    z.gap = copied(gap, m, m, "gap");
    z.stays = copied(stays, steps, n, "stays");
    z.weight = copied(weight, steps, n, "weight");
    z.beta = beta;
    z.penalty = penalty;
    z.hard = hard;
    return z;
}

}  // namespace

void bind_migration(nb::module_& module) {
    nb::class_<MigrationView>(module, "MigrationView",
                              "A P2 problem as the searches read it; see `solvers/core/migration.hpp`.\n\n"
                              "The fields are those of `dtopt.utility_segments.ServerUtility`; `bonus` is what a pair "
                              "is worth beyond this slot.")
        .def("__init__",
             [](MigrationView* self, const Table<double>& slack, const std::optional<Table<double>>& demand,
                const Vector<double>& deadline, const Vector<double>& growth, const Vector<double>& rate,
                const Vector<double>& size, const Vector<double>& part, const Vector<std::int64_t>& capacity,
                double beta, double penalty, bool hard, Sharing sharing) {
                 new (self) MigrationView(make_view(slack, demand, deadline, growth, rate, size, part, capacity, beta,
                                                    penalty, hard, sharing));
             },
             nb::kw_only(), array_arg("slack"), array_arg("demand").none(), array_arg("deadline"),
             array_arg("growth"), array_arg("rate"), array_arg("size"), array_arg("part"), array_arg("capacity"),
             "beta"_a, "penalty"_a, "hard"_a, "sharing"_a)
        .def("with_bonus",
             [](const MigrationView& view, const Table<double>& bonus) {
                 MigrationView other(view);
                 other.bonus = copied(bonus, view.users(), view.servers(), "bonus");
                 return other;
             },
             array_arg("bonus"), "Return the view with another bonus of pairs, shape (N, M).")
        .def("value",
             [](const MigrationView& view, const Vector<std::int64_t>& association) {
                 MigrationState state(view, checked(view, association, 0));
                 nb::gil_scoped_release released;
                 ServerValue(view).set_values(state);
                 return state.total();
             },
             array_arg("association"),
             "Return Σ U_i and the bonuses without the constant part; -inf where a constraint is broken.")
        .def_prop_ro("n_users", &MigrationView::users)
        .def_prop_ro("n_servers", &MigrationView::servers)
        .def_prop_ro("slack", [](const MigrationView& view) { return shown(view.slack); })
        .def_prop_ro("demand", [](const MigrationView& view) { return shown(view.demand); },
                     "Shape (0, 0) but under fixed sharing.")
        .def_prop_ro("bonus", [](const MigrationView& view) { return shown(view.bonus); },
                     "Shape (0, 0) where there is none.")
        .def_prop_ro("deadline", [](const MigrationView& view) { return shown(view.deadline); })
        .def_prop_ro("growth", [](const MigrationView& view) { return shown(view.growth); })
        .def_prop_ro("size", [](const MigrationView& view) { return shown(view.size); })
        .def_prop_ro("rate", [](const MigrationView& view) { return shown(view.rate); })
        .def_prop_ro("part", [](const MigrationView& view) { return shown(view.part); })
        .def_prop_ro("capacity", [](const MigrationView& view) { return shown(view.capacity); })
        .def_ro("beta", &MigrationView::beta)
        .def_ro("penalty", &MigrationView::penalty)
        .def_ro("hard", &MigrationView::hard)
        .def_ro("sharing", &MigrationView::sharing);

    nb::class_<MigrationSearchParams>(module, "MigrationSearchParams", "How the local search for P2 goes.")
        .def(nb::init<>())
        .def_rw("least_gain", &MigrationSearchParams::least_gain, "Part of the whole that a move must gain.")
        .def_rw("most_swapped", &MigrationSearchParams::most_swapped, "Users up to which pairs of them are swapped.")
        .def_rw("least_kicked", &MigrationSearchParams::least_kicked, "Least number of users sent elsewhere at random.")
        .def_rw("most_kicked", &MigrationSearchParams::most_kicked, "Largest number of them.");
    nb::class_<MigrationSearch>(module, "MigrationSearch",
                                "Iterated local search for P2; see `solvers/core/migration_search.hpp`.")
        .def("__init__",
             [](MigrationSearch* self, const MigrationView& view, const Vector<std::int64_t>& association,
                std::uint64_t seed, const MigrationSearchParams& params) {
                 const auto servers = checked(view, association, 0);
                 require(view.users() >= 1, "there must be a user");
                 require(params.least_kicked >= 0 && params.most_kicked >= params.least_kicked,
                         "most_kicked must be at least least_kicked");
                 new (self) MigrationSearch(view, servers, seed, params);
             },
             "view"_a, array_arg("association"), "seed"_a, "params"_a = MigrationSearchParams(),
             nb::keep_alive<1, 2>())
        .def("run",
             [](MigrationSearch& search, std::int64_t iterations, Cancellation& cancellation) {
                 nb::gil_scoped_release released;
                 search.run(iterations, cancellation);
             },
             "iterations"_a, "cancellation"_a,
             "Come to a local optimum, the first time, and do some iterations; fewer where cancelled.")
        .def_prop_ro("association", [](const MigrationSearch& search) { return as_numpy(search.association()); },
                     nb::rv_policy::move, "The best association.")
        .def_prop_ro("value", &MigrationSearch::value, "Its value, see `MigrationView.value`.")
        .def_prop_ro("iterations", &MigrationSearch::iterations, "Iterations done.");

    nb::class_<ShiftParams>(module, "ShiftParams", "How the shifts for P2 at scale go.")
        .def(nb::init<>())
        .def_rw("tries", &ShiftParams::tries, "Servers of each user that are valued exactly.")
        .def_rw("passes", &ShiftParams::passes, "Passes over all users.")
        .def_rw("least_gain", &ShiftParams::least_gain, "Part of the whole that a shift must gain.")
        .def_rw("enough", &ShiftParams::enough, "A pass that gains less than this part of the whole is the last.");
    nb::class_<ShiftSearch>(module, "ShiftSearch", "Shifts for P2 at scale; see `solvers/core/shift_search.hpp`.")
        .def("__init__",
             [](ShiftSearch* self, const MigrationView& view, const Vector<std::int64_t>& association) {
                 new (self) ShiftSearch(view, checked(view, association, -1));
             },
             "view"_a, array_arg("association"), nb::keep_alive<1, 2>())
        .def("run",
             [](ShiftSearch& search, const ShiftParams& params, Cancellation& cancellation) {
                 nb::gil_scoped_release released;
                 search.run(params, cancellation);
             },
             "params"_a, "cancellation"_a,
             "Shift users where that helps, and place those who are nowhere, until nothing helps.")
        .def("promise",
             [](const ShiftSearch& search, std::int64_t user, std::int64_t server) {
                 require(user >= 0 && user < search.users() && server >= 0 && server < search.servers(),
                         "user and server must be in range");
                 return search.promise(static_cast<Size>(user), static_cast<Size>(server));
             },
             "user"_a, "server"_a, "Return what a user on a server adds to the whole, to first order.")
        .def_prop_ro("association", [](const ShiftSearch& search) { return as_numpy(search.association()); },
                     nb::rv_policy::move, "Each user's server, -1 for none.")
        .def_prop_ro("missing", &ShiftSearch::missing, "How many users have no server.");

    nb::class_<Horizon>(module, "Horizon",
                        "A slot and H more, in which users are on one of S servers; see `solvers/core/horizon.hpp`.\n\n"
                        "Parameters\n----------\n"
                        "slack : ndarray, shape (H + 1, N, S)\n    τ_i less all of T_i but computing and moving, −inf "
                        "where the pair is not allowed, s.\n"
                        "growth, size : ndarray, shape (N,)\n"
                        "rate, part : ndarray, shape (H + 1, S)\n    As in `dtopt.utility_segments.ServerUtility`.\n"
                        "move : ndarray, shape (N,)\n    The time to move by a metre, s.\n"
                        "gap : ndarray, shape (S, S)\n    Metres.\n"
                        "stays, weight : ndarray, shape (H + 1, N)\n    The probability of being there, and what the "
                        "slot counts for.")
        .def("__init__",
             [](Horizon* self, const Cube<double>& slack, const Vector<double>& growth, const Table<double>& rate,
                const Vector<double>& size, const Table<double>& part, const Vector<double>& move,
                const Table<double>& gap, const Table<double>& stays, const Table<double>& weight, double beta,
                double penalty, bool hard) {
                 new (self) Horizon(make_horizon(slack, growth, rate, size, part, move, gap, stays, weight, beta,
                                                 penalty, hard));
             },
             nb::kw_only(), array_arg("slack"), array_arg("growth"), array_arg("rate"), array_arg("size"),
             array_arg("part"), array_arg("move"), array_arg("gap"), array_arg("stays"), array_arg("weight"),
             "beta"_a, "penalty"_a, "hard"_a)
        .def("continuation",
             [](const Horizon& z, const Vector<std::int64_t>& start, std::int64_t sweeps, Cancellation& cancellation) {
                 require(start.shape(0) == z.users(), "start must have an entry per user");
                 require_indices(span_of(start), -1, static_cast<std::int64_t>(z.servers()), "start");
                 Continuation found;
                 {
                     nb::gil_scoped_release released;
                     found = continuation(z, span_of(start), sweeps, cancellation);
                 }
                 return std::tuple(as_numpy(std::move(found.value)), as_numpy(std::move(found.plan)));
             },
             array_arg("start"), "sweeps"_a, "cancellation"_a,
             "Return what being on each server after this slot is worth to each user, and each user's plan.\n\n"
             "Parameters\n----------\nstart : ndarray of int, shape (N,)\n    Where users are before this slot, -1 for "
             "nowhere.\nsweeps : int\n    How often each user's way is laid.\ncancellation : Cancellation\n\n"
             "Returns\n-------\nvalue : ndarray, shape (N, S)\nplan : ndarray of int, shape (H + 1, N)");
}

}  // namespace dtopt
