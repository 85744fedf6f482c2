// Python's signals while a computation of the core runs without the GIL; part of each module.
#include <nanobind/nanobind.h>

#include "dtopt/core/cancellation.hpp"

namespace dtopt {

void handle_signals() {
    nanobind::gil_scoped_acquire held;
    if (PyErr_CheckSignals() != 0) throw nanobind::python_error();
}

}  // namespace dtopt
