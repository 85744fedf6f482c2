// What the bindings share: arrays in and out, and checks. What is wrong is a Python exception, never read.
//
// Arrays are taken only with the right dtype and layout (C order), without a conversion: name each argument with
// `array_arg`. Numbers are copied into the core, so that nothing in it depends on what Python does with them later.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "dtopt/core/arrays.hpp"

namespace dtopt {

namespace nb = nanobind;
using namespace nb::literals;

template <class T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Table = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Cube = nb::ndarray<const T, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
template <class T>
using VectorOut = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
template <class T>
using TableOut = nb::ndarray<nb::numpy, T, nb::ndim<2>>;

// Name an argument that is an array (or None, where it is optional).
inline auto array_arg(const char* name) {
    // What `noconvert` returns: it may be of another type than the argument.
    return nb::arg(name).noconvert();
}

inline void require(bool holds, const std::string& message) {
    if (!holds) throw std::invalid_argument(message);
}

// Require that no number is NaN.
template <class T>
void require_numbers(const T* values, Size size, const char* name) {
    for (Size j = 0; j < size; ++j)
        if (values[j] != values[j]) throw std::invalid_argument(std::string(name) + " has a NaN");
}

// Copy a vector of a given length; numbers must not be NaN.
template <class T>
std::vector<T> copied(const Vector<T>& array, Size size, const char* name) {
    require(array.shape(0) == size, std::string(name) + " must have " + std::to_string(size) + " entries, not " +
                                        std::to_string(array.shape(0)));
    if constexpr (std::is_floating_point_v<T>) require_numbers(array.data(), size, name);
    return {array.data(), array.data() + size};
}

// Copy a matrix of a given shape; numbers must not be NaN.
template <class T>
Matrix<T> copied(const Table<T>& array, Size rows, Size columns, const char* name) {
    require(array.shape(0) == rows && array.shape(1) == columns,
            std::string(name) + " must have shape (" + std::to_string(rows) + ", " + std::to_string(columns) + "), not (" +
                std::to_string(array.shape(0)) + ", " + std::to_string(array.shape(1)) + ")");
    if constexpr (std::is_floating_point_v<T>) require_numbers(array.data(), rows * columns, name);
    return {std::vector<T>(array.data(), array.data() + rows * columns), rows, columns};
}

// Require that all indices are from `least` to bound − 1.
template <class Container>
void require_indices(const Container& indices, std::int64_t least, std::int64_t bound, const char* name) {
    for (const auto index : indices)
        if (index < least || index >= bound)
            throw std::invalid_argument(std::string(name) + " must be from " + std::to_string(least) + " to " +
                                        std::to_string(bound - 1) + ", not " + std::to_string(index));
}

// Hand a vector over to NumPy.
template <class T>
VectorOut<T> as_numpy(std::vector<T> values) {
    auto owner = std::make_unique<std::vector<T>>(std::move(values));
    T* data = owner->data();
    const Size size = owner->size();
    nb::capsule capsule(owner.get(), [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
    owner.release();
    return VectorOut<T>(data, {size}, capsule);
}

// Hand a matrix over to NumPy.
template <class T>
TableOut<T> as_numpy(Matrix<T> matrix) {
    const Size rows = matrix.rows(), columns = matrix.columns();
    auto owner = std::make_unique<std::vector<T>>(std::move(matrix.values()));
    T* data = owner->data();
    nb::capsule capsule(owner.get(), [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
    owner.release();
    return TableOut<T>(data, {rows, columns}, capsule);
}

}  // namespace dtopt
