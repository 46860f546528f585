/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one C++ file: toml++ parses, two jansson trees come out.
 *
 * No exception may leave through the C interface, so the only entry point catches everything.
 * toml++ keeps a table sorted by key; the trees get the file's order back from the positions, so
 * that messages and pipelines come in the order in which people wrote them.
 */
#include <config.h>

#include "common/toml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <memory>
#include <new>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

/* Debian's pkg-config file asks for the shared library; headers alone spare users one package. */
#undef TOML_SHARED_LIB
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 1
/* Reading floats through a stream would turn a failed allocation into a syntax error. */
#ifdef __cpp_lib_to_chars
#define TOML_FLOAT_CHARCONV 1
#endif
#include <toml++/toml.h>

namespace
{

struct json_release {
    void operator()(json_t *value) const
    {
        json_decref(value);
    }
};
using json_owner = std::unique_ptr<json_t, json_release>;

/* What toml++ accepts and C strings cannot carry. */
struct nul_in_text {
    toml::source_position at;
};

struct trees {
    json_owner value;
    json_owner positions;
};

json_owner owned(json_t *fresh)
{
    if (fresh == nullptr)
        throw std::bad_alloc();
    return json_owner(fresh);
}

void put(json_t *object, const char *key, json_owner value)
{
    if (json_object_set_new(object, key, value.release()) != 0)
        throw std::bad_alloc();
}

void put_number(json_t *object, const char *key, toml::source_index number)
{
    put(object, key, owned(json_integer(number)));
}

json_owner text_of(std::string_view text, toml::source_position at)
{
    if (text.find('\0') != std::string_view::npos)
        throw nul_in_text{at};
    return owned(json_stringn(text.data(), text.size()));
}

json_owner float_of(double number)
{
    if (std::isnan(number))
        return owned(json_string("nan"));
    if (std::isinf(number))
        return owned(json_string(number > 0 ? "inf" : "-inf"));
    return owned(json_real(number));
}

template <typename T> json_owner streamed(const T &value)
{
    std::ostringstream stream;
    stream.exceptions(std::ios::badbit | std::ios::failbit);
    stream << value;
    return owned(json_string(stream.str().c_str()));
}

json_owner scalar_of(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::string:
        return text_of(node.as_string()->get(), node.source().begin);
    case toml::node_type::integer:
        return owned(json_integer(node.as_integer()->get()));
    case toml::node_type::floating_point:
        return float_of(node.as_floating_point()->get());
    case toml::node_type::boolean:
        return owned(json_boolean(node.as_boolean()->get()));
    case toml::node_type::date:
        return streamed(node.as_date()->get());
    case toml::node_type::time:
        return streamed(node.as_time()->get());
    case toml::node_type::date_time:
        return streamed(node.as_date_time()->get());
    default:
        return owned(json_null());
    }
}

trees convert(const toml::node &node);

struct entry {
    const toml::key *key;
    const toml::node *node;
};

trees convert_table(const toml::table &table)
{
    std::vector<entry> entries;
    for (auto &&[key, node] : table)
        entries.push_back({&key, &node});
    std::sort(entries.begin(), entries.end(), [](const entry &a, const entry &b) {
        return a.key->source().begin < b.key->source().begin;
    });

    trees result{owned(json_object()), owned(json_object())};
    for (const entry &each : entries) {
        toml::source_position at = each.key->source().begin;
        std::string name(each.key->str());
        if (name.find('\0') != std::string::npos)
            throw nul_in_text{at};
        trees child = convert(*each.node);
        put_number(child.positions.get(), "kl", at.line);
        put_number(child.positions.get(), "kc", at.column);
        put(result.value.get(), name.c_str(), std::move(child.value));
        put(result.positions.get(), name.c_str(), std::move(child.positions));
    }
    return result;
}

trees convert_array(const toml::array &array)
{
    trees result{owned(json_array()), owned(json_array())};
    for (const toml::node &node : array) {
        trees child = convert(node);
        if (json_array_append_new(result.value.get(), child.value.release()) != 0 ||
            json_array_append_new(result.positions.get(), child.positions.release()) != 0)
            throw std::bad_alloc();
    }
    return result;
}

trees convert(const toml::node &node)
{
    trees result{nullptr, owned(json_object())};
    put_number(result.positions.get(), "l", node.source().begin.line);
    put_number(result.positions.get(), "c", node.source().begin.column);
    if (node.is_table() || node.is_array()) {
        trees inside =
            node.is_table() ? convert_table(*node.as_table()) : convert_array(*node.as_array());
        result.value = std::move(inside.value);
        put(result.positions.get(), "v", std::move(inside.positions));
    } else {
        result.value = scalar_of(node);
    }
    return result;
}

int refuse(struct rky_toml_fault *fault, toml::source_position at, std::string_view message)
{
    fault->line = static_cast<int>(at.line);
    fault->column = static_cast<int>(at.column);
    size_t used = std::min(message.size(), sizeof(fault->message) - 1);
    while (used < message.size() && (static_cast<unsigned char>(message[used]) & 0xC0U) == 0x80U)
        used--;
    /* toml++ quotes what it saw, control characters included; a message is one line. */
    std::transform(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(used),
                   fault->message,
                   [](char c) { return static_cast<unsigned char>(c) < ' ' ? ' ' : c; });
    fault->message[used] = '\0';
    return RKY_ERR_CONFIG;
}

} // namespace

int rky_toml_parse(const char *text, size_t length, json_t **ret_value, json_t **ret_positions,
                   struct rky_toml_fault *ret_fault)
{
    try {
        toml::table table = toml::parse(std::string_view(text, length));
        trees result = convert(table);
        *ret_value = result.value.release();
        *ret_positions = result.positions.release();
        return RKY_OK;
    } catch (const toml::parse_error &error) {
        return refuse(ret_fault, error.source().begin, error.description());
    } catch (const nul_in_text &found) {
        return refuse(ret_fault, found.at, "a key or string holds a NUL character");
    } catch (const std::bad_alloc &) {
        return RKY_ERR_NOMEM;
    } catch (...) {
        return refuse(ret_fault, toml::source_position{}, "the TOML parser failed");
    }
}
