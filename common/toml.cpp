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

namespace
{

/* toml++ found itself in a state that it excludes. */
struct parser_lost {
};

[[noreturn]] void lose_parser()
{
    throw parser_lost{};
}

} // namespace

/* Malformed files do break assertions of toml++ 3.3. As shipped that aborts, or with NDEBUG lets
 * the compiler assume the opposite; here it is one more fault. parse_key() alone goes on: it
 * reports what its first assertion excludes (`[}`), and with the right place. */
#undef NDEBUG
#define TOML_ASSERT(expr) \
    ((expr) || std::string_view(__func__) == "parse_key" ? static_cast<void>(0) : lose_parser())

/* Debian's pkg-config file asks for the shared library; headers alone spare users one package. */
#undef TOML_SHARED_LIB
#undef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 1
/* With KEY_PARTS_MAX this bounds the recursion of parser, conversion and destructors. */
#define TOML_MAX_NESTED_VALUES 32
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

/* Of a number that JSON lacks; nullptr for any other. */
const char *word_for(double number)
{
    if (std::isnan(number))
        return "nan";
    if (std::isinf(number))
        return number > 0 ? "inf" : "-inf";
    return nullptr;
}

json_owner float_of(double number)
{
    const char *word = word_for(number);
    return owned(word != nullptr ? json_string(word) : json_real(number));
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

/* What a value is that JSON has only a string for; nullptr for any other. */
const char *kind_of(const toml::node &node)
{
    switch (node.type()) {
    case toml::node_type::date:
        return "a date";
    case toml::node_type::time:
        return "a time";
    case toml::node_type::date_time:
        return "a date with time";
    case toml::node_type::floating_point:
        return word_for(node.as_floating_point()->get());
    default:
        return nullptr;
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
        if (const char *kind = kind_of(node); kind != nullptr)
            put(result.positions.get(), "is", owned(json_string(kind)));
    }
    return result;
}

/* --- what the parser must not see ---------------------------------------------------------- */

/* `a.a.a.` a hundred thousand times over nests as deep, and the parser has no limit for it. */
constexpr std::size_t KEY_PARTS_MAX = 64;

/* @p at stands on a quote. @return behind the string; in broken text anywhere up to the end, the
 * parser stops there before it matters. */
std::size_t string_end(std::string_view text, std::size_t at)
{
    const char quote = text[at];
    const std::string three(3, quote);
    const bool many_lines = text.substr(at, 3) == three;
    at += many_lines ? 3 : 1;
    while (at < text.size()) {
        if (quote == '"' && text[at] == '\\') {
            at += 2;
        } else if (!many_lines && (text[at] == quote || text[at] == '\n')) {
            return at + 1;
        } else if (many_lines && text.substr(at, 3) == three) {
            /* Up to two quotes may stand before the closing three. */
            at += 3;
            for (int more = 0; more < 2 && at < text.size() && text[at] == quote; more++)
                at++;
            return at;
        } else {
            at++;
        }
    }
    return text.size();
}

struct refusal {
    std::size_t at;
    const char *message; /* nullptr = let the parser see it */
};

/* Letters beyond ASCII stand in strings and comments only; elsewhere toml++ 3.3 takes some of them
 * into code that it declares unreachable. */
refusal find_refusal(std::string_view text)
{
    static constexpr std::string_view bare =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    std::size_t parts = 0;
    bool dot = false;

    for (std::size_t at = text.substr(0, 3) == "\xEF\xBB\xBF" ? 3 : 0; at < text.size();) {
        std::size_t end = at + 1;
        bool part = true;
        if (text[at] == '"' || text[at] == '\'')
            end = string_end(text, at);
        else if (bare.find(text[at]) != std::string_view::npos)
            end = std::min(text.find_first_not_of(bare, at), text.size());
        else
            part = false;
        if (part) {
            parts = dot ? parts + 1 : 1;
            dot = false;
            if (parts > KEY_PARTS_MAX)
                return {at, "a key has more than 64 parts"};
        } else if (text[at] == '.' && parts > 0 && !dot) {
            dot = true;
        } else if (text[at] == '#') {
            end = std::min(text.find('\n', at), text.size());
        } else if (static_cast<unsigned char>(text[at]) >= 0x80) {
            return {at, "a character that is not ASCII may stand in strings and comments only"};
        } else if (text[at] != ' ' && text[at] != '\t') {
            parts = 0;
            dot = false;
        }
        at = end;
    }
    return {0, nullptr};
}

toml::source_position place_of(std::string_view text, std::size_t offset)
{
    toml::source_position place{1, 1};
    for (char c : text.substr(0, offset)) {
        if (c == '\n')
            place = {place.line + 1, 1};
        else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U)
            place.column++;
    }
    return place;
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
        const std::string_view whole(text, length);
        const refusal refused = find_refusal(whole);
        if (refused.message != nullptr)
            return refuse(ret_fault, place_of(whole, refused.at), refused.message);
        toml::table table = toml::parse(whole);
        trees result = convert(table);
        *ret_value = result.value.release();
        *ret_positions = result.positions.release();
        return RKY_OK;
    } catch (const toml::parse_error &error) {
        return refuse(ret_fault, error.source().begin, error.description());
    } catch (const nul_in_text &found) {
        return refuse(ret_fault, found.at, "a key or string holds a NUL character");
    } catch (const parser_lost &) {
        return refuse(ret_fault, toml::source_position{}, "this is not TOML");
    } catch (const std::bad_alloc &) {
        return RKY_ERR_NOMEM;
    } catch (...) {
        return refuse(ret_fault, toml::source_position{}, "the TOML parser failed");
    }
}
