// Arrays of the core: owned matrices and views of them. One-dimensional arrays are std::vector and std::span.
//
// Views check their indices where _GLIBCXX_ASSERTIONS or NDEBUG's absence ask for it (debug and sanitizer builds).
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace dtopt {

using Size = std::size_t;
using Doubles = std::vector<double>;
using Integers = std::vector<std::int64_t>;
using Shorts = std::vector<std::int32_t>;

// A matrix in rows that belongs to someone else.
template <class T>
class MatrixView {
  public:
    MatrixView() = default;
    MatrixView(T* data, Size rows, Size columns) : data_(data), rows_(rows), columns_(columns) {}

    Size rows() const { return rows_; }
    Size columns() const { return columns_; }
    bool empty() const { return rows_ * columns_ == 0; }
    T* data() const { return data_; }
    std::span<T> row(Size i) const {
        assert(i < rows_);
        return {data_ + i * columns_, columns_};
    }
    T& operator()(Size i, Size j) const {
        assert(i < rows_ && j < columns_);
        return data_[i * columns_ + j];
    }

  private:
    T* data_ = nullptr;
    Size rows_ = 0, columns_ = 0;
};

// A matrix in rows that owns its numbers.
template <class T>
class Matrix {
  public:
    Matrix() = default;
    Matrix(Size rows, Size columns, T value = T{}) : data_(rows * columns, value), rows_(rows), columns_(columns) {}
    Matrix(std::vector<T> data, Size rows, Size columns) : data_(std::move(data)), rows_(rows), columns_(columns) {
        assert(data_.size() == rows * columns);
    }

    Size rows() const { return rows_; }
    Size columns() const { return columns_; }
    bool empty() const { return data_.empty(); }
    T* data() { return data_.data(); }
    const T* data() const { return data_.data(); }
    std::vector<T>& values() { return data_; }
    const std::vector<T>& values() const { return data_; }
    std::span<T> row(Size i) {
        assert(i < rows_);
        return {data_.data() + i * columns_, columns_};
    }
    std::span<const T> row(Size i) const {
        assert(i < rows_);
        return {data_.data() + i * columns_, columns_};
    }
    T& operator()(Size i, Size j) {
        assert(i < rows_ && j < columns_);
        return data_[i * columns_ + j];
    }
    const T& operator()(Size i, Size j) const {
        assert(i < rows_ && j < columns_);
        return data_[i * columns_ + j];
    }
    operator MatrixView<const T>() const { return {data_.data(), rows_, columns_}; }
    operator MatrixView<T>() { return {data_.data(), rows_, columns_}; }

  private:
    std::vector<T> data_;
    Size rows_ = 0, columns_ = 0;
};

}  // namespace dtopt
