// Binding of the decoding of the placement network.
#include <utility>

#include "dtopt/core/binding.hpp"
#include "dtopt/core/cancellation.hpp"
#include "solvers/core/decoder.hpp"

namespace dtopt {

void bind_decoder(nb::module_& module) {
    using One = Exclusive<Decoder>;
    nb::class_<DecoderParams>(module, "DecoderParams", "How `Decoder` improves associations.")
        .def(nb::init<>())
        .def_rw("few_users", &DecoderParams::few_users, "Up to this many users every swap is tried.")
        .def_rw("partners", &DecoderParams::partners, "With more, users of each server that a user may swap with.")
        .def_rw("settled", &DecoderParams::settled,
                "A round that moves no more than this part of the users is the last of its kind.");
    nb::class_<One>(module, "Decoder",
                    "Turns sets of open servers and prices into associations; see `solvers/core/decoder.hpp`.\n\n"
                    "Parameters\n----------\nview : PlacementView\nparams : DecoderParams")
        .def(
            "__init__",
            [](One* self, const PlacementView& view, const DecoderParams& params) { new (self) One(view, params); },
            nb::keep_alive<1, 2>(), "view"_a, "params"_a = DecoderParams{})
        .def(
            "decode",
            [](One& self, const Table<bool>& is_open, const Table<float>& priced, std::int64_t rounds, bool swaps,
               Cancellation& cancellation) {
                const PlacementView& view = self.get().view();
                const Size sets = is_open.shape(0), m = view.servers();
                require(is_open.shape(1) == m, "is_open must have one column per server");
                const Matrix<float> prices = copied(priced, view.users(), view.width(), "priced");
                const bool* open = is_open.data();
                Doubles cost(sets);
                Matrix<std::int32_t> slots(sets, view.users());
                self.run([&](Decoder& decoder) {
                    for (Size e = 0; e < sets; ++e) {
                        cost[e] = decoder.decode({open + e * m, m}, prices, rounds, swaps, cancellation);
                        std::ranges::copy(decoder.slots(), slots.row(e).begin());
                    }
                });
                return std::tuple(as_numpy(std::move(cost)), as_numpy(std::move(slots)));
            },
            array_arg("is_open"), array_arg("priced"), "rounds"_a, "swaps"_a, "cancellation"_a,
            "Return the costs and slots, shapes (K,) and (K, N), that sets of open servers, shape (K, M), lead to.");
}

}  // namespace dtopt
