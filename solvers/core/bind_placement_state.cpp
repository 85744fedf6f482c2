// Binding of an association under way.
#include "dtopt/core/binding.hpp"
#include "solvers/core/descent.hpp"
#include "solvers/core/moves.hpp"
#include "solvers/core/placement_state.hpp"

namespace dtopt {

namespace {

using State = Exclusive<PlacementState>;

void require_user(const PlacementState& state, std::int64_t user) {
    require(user >= 0 && user < static_cast<std::int64_t>(state.view().users()), "user is out of range");
}

void require_move(const PlacementState& state, std::int64_t user, std::int64_t slot) {
    const PlacementView& view = state.view();
    require_user(state, user);
    require(slot >= 0 && slot < static_cast<std::int64_t>(view.width()) && view.station(user, slot) >= 0,
            "slot is out of range");
    require(view.station(user, slot) != state.user(user).server, "the user is on this server");
    require(view.cost(user, slot) < std::numeric_limits<double>::infinity(), "the pair is not allowed");
}

std::vector<std::int32_t> users_of(const PlacementState& state, const Vector<std::int32_t>& users) {
    auto some = copied(users, users.shape(0), "users");
    require_indices(some, 0, static_cast<std::int64_t>(state.view().users()), "users");
    return some;
}

}  // namespace

void bind_placement_state(nb::module_& module) {
    nb::class_<PenaltyParams>(module, "PenaltyParams", "How excess is penalised, and which gains count.")
        .def(nb::init<>())
        .def_rw("strict", &PenaltyParams::strict, "Weight of excess, times the cost of the association loaded.")
        .def_rw("overfull", &PenaltyParams::overfull, "An overfull CPU counts as this much fuller than it is.")
        .def_rw("least_gain", &PenaltyParams::least_gain, "Part of that cost that a move must gain.");
    nb::enum_<Stage>(module, "Stage", "Which moves a descent makes; each stage has those of the stages before it too.")
        .value("SWEEP", Stage::SWEEP, "One sweep of shifts.")
        .value("SHIFTS", Stage::SHIFTS, "Shifts until none helps.")
        .value("SWAPS", Stage::SWAPS)
        .value("EJECTIONS", Stage::EJECTIONS);
    nb::class_<ServerState>(module, "ServerState", "A server with its users.")
        .def_ro("load", &ServerState::load, "Sum of their sizes.")
        .def_ro("used", &ServerState::used, "Part of the CPU set aside.")
        .def_ro("value", &ServerState::value, "Its cost, opening left out.")
        .def_ro("urgency", &ServerState::urgency, "How soon the most urgent deadline matters.")
        .def_ro("limit", &ServerState::limit, "The largest number of users that they themselves allow.")
        .def_ro("weight", &ServerState::weight, "Penalty of one CPU, or of one place, in excess.")
        .def_prop_ro(
            "members", [](const ServerState& s) { return as_numpy(Shorts(s.members)); }, nb::rv_policy::move);
    nb::class_<PlacementState::Mark>(module, "Mark", "Where undoing leads back to.");
    nb::class_<State>(module, "PlacementState",
                      "An association under way: exact cost, excess, moves; see `solvers/core/placement_state.hpp`.")
        .def(
            "__init__",
            [](State* self, const PlacementView& view, const PenaltyParams& penalties) {
                new (self) State(view, penalties);
            },
            nb::keep_alive<1, 2>(), "view"_a, "penalties"_a = PenaltyParams{})
        .def(
            "load",
            [](State& self, const Vector<std::int32_t>& slots) {
                const PlacementView& view = self.get().view();
                const auto some = copied(slots, view.users(), "slots");
                require_indices(some, 0, static_cast<std::int64_t>(view.width()), "slots");
                for (Size i = 0; i < some.size(); ++i) require(view.station(i, some[i]) >= 0, "a slot is empty");
                self.run([&](PlacementState& state) { state.load(some); });
            },
            array_arg("slots"), "Begin from the slot of each user's server in its list, int32, shape (N,).")
        .def_prop_ro("cost", [](State& self) { return self.get().cost(); }, "Of the association, excess left out.")
        .def_prop_ro("excess", [](State& self) { return self.get().excess(); }, "Penalty of what breaks constraints.")
        .def_prop_ro("is_feasible", [](State& self) { return self.get().is_feasible(); })
        .def_prop_ro("has_overload", [](State& self) { return self.get().has_overload(); })
        .def_prop_ro("open_servers", [](State& self) { return self.get().open_servers(); })
        .def_prop_ro(
            "slots", [](State& self) { return as_numpy(self.get().slots()); }, nb::rv_policy::move,
            "Of each user's server in its list, int32, shape (N,).")
        .def(
            "server",
            [](State& self, std::int64_t k) {
                require(k >= 0 && k < static_cast<std::int64_t>(self.get().view().servers()), "server is out of range");
                return self.get().server(k);
            },
            "server"_a)
        .def(
            "leaving",
            [](State& self, std::int32_t user) {
                require_user(self.get(), user);
                return self.get().leaving(user);
            },
            "user"_a, "Return what cost and excess change when a user leaves its server.")
        .def(
            "joining",
            [](State& self, std::int32_t user, std::int32_t slot) {
                require_move(self.get(), user, slot);
                return self.get().joining(user, slot);
            },
            "user"_a, "slot"_a, "Return what they change when a user joins another server, its opening left out.")
        .def(
            "shift",
            [](State& self, std::int32_t user, std::int32_t slot) {
                require_move(self.get(), user, slot);
                self.get().shift(user, slot);
            },
            "user"_a, "slot"_a, "Move a user to another server.")
        .def("mark", [](State& self) { return self.get().mark(); })
        .def(
            "undo",
            [](State& self, const PlacementState::Mark& mark) {
                require(mark.moves <= self.get().logged(), "the moves since this mark are forgotten");
                self.get().undo(mark);
            },
            "mark"_a, "Undo the moves since a mark.")
        .def("forget", [](State& self) { self.get().forget(); }, "Empty the log of moves.")
        .def(
            "best_shift",
            [](State& self, std::int32_t user, double enough) {
                require_user(self.get(), user);
                const Shift shift = Shift::evaluate(self.get(), user, enough);
                return std::make_pair(shift.change, shift.slot);
            },
            "user"_a, "enough"_a, "Return what the best shift of a user changes, and its slot: -1 if none is better.")
        .def(
            "best_swap",
            [](State& self, std::int32_t user, std::int64_t partners, Random& random) {
                require_user(self.get(), user);
                const Swap swap = Swap::evaluate(self.get(), user, partners, random);
                return std::make_tuple(swap.other, swap.slot, swap.back);
            },
            "user"_a, "partners"_a, "random"_a,
            "Return with whom a user should change servers, and the slots that both go to; -1 if that does not help.")
        .def(
            "sweep",
            [](State& self, const Vector<std::int32_t>& users, Cancellation& cancellation) {
                const auto some = users_of(self.get(), users);
                return self.run([&](PlacementState& state) { return sweep(state, some, cancellation); });
            },
            array_arg("users"), "cancellation"_a, "Shift users to their best open servers; return how many moved.")
        .def(
            "exchange",
            [](State& self, const Vector<std::int32_t>& users, std::int64_t partners, bool ejections, Random& random,
               Cancellation& cancellation) {
                const auto some = users_of(self.get(), users);
                return self.run([&](PlacementState& state) {
                    return exchange(state, some, partners, ejections, random, cancellation);
                });
            },
            array_arg("users"), "partners"_a, "ejections"_a, "random"_a, "cancellation"_a,
            "Swap users where that helps, or else eject; return how often.")
        .def(
            "settle",
            [](State& self, const Vector<std::int32_t>& users, Stage stage, std::int64_t passes, std::int64_t partners,
               Random& random, Cancellation& cancellation) {
                const auto some = users_of(self.get(), users);
                self.run([&](PlacementState& state) {
                    settle(state, some, stage, passes, partners, random, cancellation);
                });
            },
            array_arg("users"), "stage"_a, "passes"_a, "partners"_a, "random"_a, "cancellation"_a,
            "Descend by the moves of a stage.");
}

}  // namespace dtopt
