/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scanner for S3's XML: what servers really send, and bytes that are anything but.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "state/s3_internal.h"
#include "tests/kit/check_main.h"

static struct rky_s3_xml of(const char *text)
{
    return (struct rky_s3_xml){text, text + strlen(text)};
}

static void expect(const char *document, const char *name, const char *expected)
{
    char *text = rky_s3_xml_text(of(document), name);
    ck_assert_pstr_eq(text, expected);
    rky_free(text);
}

static const char error_document[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
    "<Message>The specified key does not exist.</Message><Key>a&amp;b</Key>"
    "<RequestId/><HostId></HostId></Error>";

START_TEST(elements_are_found_by_name)
{
    expect(error_document, "Code", "NoSuchKey");
    expect(error_document, "Message", "The specified key does not exist.");
    expect(error_document, "Key", "a&b");
    expect(error_document, "RequestId", "");
    expect(error_document, "HostId", "");
    expect(error_document, "Resource", NULL);
    expect(error_document, "Cod", NULL);
    expect("<KeyCount>1</KeyCount><Key>k</Key>", "Key", "k");
    expect("<A x=\"1\" y='2'>v</A>", "A", "v");
    expect("<A\n>v</A >", "A", "v");
}
END_TEST

START_TEST(references_are_replaced_and_nothing_else)
{
    expect("<E>&lt;&gt;&amp;&quot;&apos;</E>", "E", "<>&\"'");
    expect("<E>&#34;etag&#x22;</E>", "E", "\"etag\"");
    expect("<E>&#xe4;&#8364;&#x1F600;</E>", "E", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
    expect("<E>&amp;lt;</E>", "E", "&lt;");
    expect("<E>&nbsp;&#;&#x;&#xZ;& &</E>", "E", "&nbsp;&#;&#x;&#xZ;& &");
    expect("<E>&#99999999999;</E>", "E", "&#99999999999;");
    expect("<E>&#x110000;&#0;</E>", "E", "&#x110000;&#0;");
    /* A surrogate is no character. */
    expect("<E>&#xD800;</E>", "E", NULL);
    expect("<E>\xff\xfe</E>", "E", NULL);
}
END_TEST

START_TEST(elements_come_one_after_the_other)
{
    struct rky_s3_xml cursor = of("<L><C><K>1</K></C><C/><C><K>2</K></C><C><K>3</L>");
    struct rky_s3_xml inside;
    char text[8];
    ck_assert(rky_s3_xml_next(&cursor, "C", &inside));
    rky_s3_xml_copy(inside, "K", text, sizeof(text));
    ck_assert_str_eq(text, "1");
    ck_assert(rky_s3_xml_next(&cursor, "C", &inside));
    rky_s3_xml_copy(inside, "K", text, sizeof(text));
    ck_assert_str_eq(text, "");
    ck_assert(rky_s3_xml_next(&cursor, "C", &inside));
    rky_s3_xml_copy(inside, "K", text, sizeof(text));
    ck_assert_str_eq(text, "2");
    /* The last one has no end. */
    ck_assert(!rky_s3_xml_next(&cursor, "C", &inside));
}
END_TEST

START_TEST(a_copy_is_cut_to_fit)
{
    char text[4];
    rky_s3_xml_copy(of("<E>abcdef</E>"), "E", text, sizeof(text));
    ck_assert_str_eq(text, "abc");
    rky_s3_xml_copy(of("nothing"), "E", text, sizeof(text));
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(what_is_escaped_is_read_back)
{
    static const char raw[] = "\"<a>&'b\" \xc3\xa4";
    struct rky_strbuf document = {0};
    rky_strbuf_add(&document, "<E>");
    rky_s3_xml_escape(&document, raw);
    rky_strbuf_add(&document, "</E>");
    expect(rky_strbuf_text(&document), "E", raw);
    rky_strbuf_done(&document);
}
END_TEST

/* Looks at bytes in every way there is; the sanitizers say whether it stayed inside. */
static void scan(const char *bytes, size_t length)
{
    char *copy = malloc(length + 1); /* ends exactly where the bytes end */
    char text[16];
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, bytes, length);
    char *exact = length > 0 ? realloc(copy, length) : copy;
    ck_assert_ptr_nonnull(exact);
    static const char *const names[] = {"Error", "Code", "Message", "Key", "E", "Contents"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct rky_s3_xml cursor = {exact, exact + length}, inside;
        for (int rounds = 0; rky_s3_xml_next(&cursor, names[i], &inside); rounds++) {
            ck_assert(inside.at >= exact && inside.at <= inside.end &&
                      inside.end <= exact + length && cursor.at <= exact + length);
            ck_assert_int_lt(rounds, 1000);
        }
        rky_s3_xml_copy((struct rky_s3_xml){exact, exact + length}, names[i], text, sizeof(text));
        ck_assert(strlen(text) < sizeof(text));
    }
    free(exact);
}

START_TEST(every_beginning_of_a_document_is_safe)
{
    static const char tricky[] = "<E>&#x1F600;&amp;</E><E/><E &#<Code></Code";
    for (size_t length = 0; length <= strlen(error_document); length++)
        scan(error_document, length);
    for (size_t length = 0; length <= strlen(tricky); length++)
        scan(tricky, length);
}
END_TEST

START_TEST(every_damaged_byte_is_safe)
{
    char copy[sizeof(error_document)];
    static const char bad[] = {'<', '>', '/', '&', ';', '#', '\0', (char)0xff};
    for (size_t at = 0; at < strlen(error_document); at++) {
        for (size_t i = 0; i < sizeof(bad); i++) {
            memcpy(copy, error_document, sizeof(copy));
            copy[at] = bad[i];
            scan(copy, strlen(error_document));
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("s3: xml");
    TCase *tcase = tcase_create("xml");
    tcase_add_test(tcase, elements_are_found_by_name);
    tcase_add_test(tcase, references_are_replaced_and_nothing_else);
    tcase_add_test(tcase, elements_come_one_after_the_other);
    tcase_add_test(tcase, a_copy_is_cut_to_fit);
    tcase_add_test(tcase, what_is_escaped_is_read_back);
    tcase_add_test(tcase, every_beginning_of_a_document_is_safe);
    tcase_add_test(tcase, every_damaged_byte_is_safe);
    suite_add_tcase(s, tcase);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
