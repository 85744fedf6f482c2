// The module `dtopt._core`.
#include "dtopt/core/binding.hpp"
#include "dtopt/core/cancellation.hpp"
#include "dtopt/core/elementary.hpp"
#include "dtopt/core/hot.hpp"
#include "dtopt/core/random.hpp"
#include "dtopt/core/tolerances.hpp"

namespace dtopt {

void bind_prices(nb::module_& module);
void bind_utility(nb::module_& module);

namespace {

template <double (*FUNCTION)(double)>
VectorOut<double> mapped(const Vector<double>& values) {
    Doubles result(values.shape(0));
    for (Size j = 0; j < result.size(); ++j) result[j] = FUNCTION(values.data()[j]);
    return as_numpy(std::move(result));
}

double exp_of(double x) { return exp(x); }
double log_of(double x) { return log(x); }
double log1p_of(double x) { return log1p(x); }

}  // namespace

}  // namespace dtopt

NB_MODULE(_core, module) {
    using namespace dtopt;
    nb::set_leak_warnings(false);
    module.doc() = "The compiled core of the bounds; see `dtopt/core/`.";
    module.attr("TOLERANCE") = TOLERANCE;
    module.attr("ROUNDING") = ROUNDING;
    module.def("uses_avx2", &uses_avx2, "Return whether hot loops use AVX2; DTOPT_CPU=baseline says no.");
    module.def("exp", &mapped<exp_of>, array_arg("values"), "Return e to the power of each value.");
    module.def("log", &mapped<log_of>, array_arg("values"), "Return the natural logarithm of each value.");
    module.def("log1p", &mapped<log1p_of>, array_arg("values"), "Return log(1 + x) of each value.");
    nb::class_<Cancellation>(module, "Cancellation",
                             "The way to end a computation of the core: a time limit, another thread, or Ctrl-C.\n\n"
                             "Parameters\n----------\nseconds : float\n    Wall time until the computation is to end, s; "
                             "infinity for no limit.")
        .def(nb::init<double>(), "seconds"_a = INFINITY)
        .def("cancel", &Cancellation::cancel, "End the computation soon; any thread may call it.")
        .def("requested", &Cancellation::requested, "Return whether the computation is to end.");
    nb::class_<Random>(module, "Random", "The random generator of the core (SplitMix64), for its tests.")
        .def(nb::init<std::uint64_t>(), "seed"_a)
        .def("bits", &Random::bits, "Return the next 64 random bits.")
        .def("below", &Random::below, "bound"_a, "Return a random whole number from 0 to bound - 1.")
        .def("uniform", &Random::uniform, "Return a random number in [0, 1).");
    bind_prices(module);
    bind_utility(module);
}
