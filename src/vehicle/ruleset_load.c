/* SPDX-License-Identifier: Apache-2.0 */
/* YAML into a ruleset. Documents are taken in one after the other into a
 * loader, then the tables are laid out: each category gets one array of tests,
 * the common rules' first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "vehicle/rule/files.h"
#include "vehicle/ruleset_private.h"

enum { FILES_MAX = 256 };

struct rule_list {
    struct rule **items;
    size_t count, cap;
};

struct loader {
    struct ruleset *ruleset;
    struct rule_list all;
    struct rule_list common;
    struct rule_list attached; /* common ones that name their categories */
    struct category categories[RULESET_CATEGORIES_MAX];
    struct rule_list own[RULESET_CATEGORIES_MAX];
    size_t category_count; /* without `other` */
    struct category other;
    struct rule_list other_own;
    bool has_other;
    struct class classes[RULESET_CLASSES_MAX];
    size_t class_count;
    uint64_t hashes[FILES_MAX + 1]; /* of the YAML files; then of what they name */
    size_t file_count;
    struct rule_files files; /* that rules name */
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
}

/* ---- rules ---- */

static int list_add(struct rule_list *list, struct rule *rule)
{
    if (list->count == list->cap) {
        size_t cap = list->cap == 0 ? 16 : list->cap * 2;
        struct rule **items = realloc(list->items, cap * sizeof(struct rule *));
        if (items == NULL)
            return -1;
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = rule;
    return 0;
}

static int check_unique(const struct loader *loader, const struct yaml_node *node,
                        const struct rule *rule, struct error *err)
{
    for (size_t i = 0; i < loader->all.count; i++)
        if (bytes_equal(loader->all.items[i]->id, rule->id))
            return yaml_error(yaml_get(node, "id"), err, "two rules have the id \"%s\"",
                              rule->id.ptr);
    if (loader->all.count == RULESET_RULES_MAX)
        return yaml_error(node, err, "more than %d rules", RULESET_RULES_MAX);
    return 0;
}

static int compile_rule(struct loader *loader, struct rule *rule, struct error *err)
{
    struct ruleset *ruleset = loader->ruleset;
    struct rule_build build = {.node = rule->node,
                               .arena = &ruleset->arena,
                               .layout = &ruleset->layout,
                               .files = &loader->files,
                               .rule = rule};
    if (rule_compile(&build, err) != 0 || check_unique(loader, rule->node, rule, err) != 0)
        return -1;
    rule->fingerprint = yaml_fingerprint(rule->node, rule->fingerprint); /* and its files' */
    rule->test.rule = rule;
    return 0;
}

static int take_rule(struct loader *loader, const struct yaml_node *node, struct rule_list *list,
                     struct error *err)
{
    struct rule *rule = rule_alloc(&loader->ruleset->arena, sizeof *rule);
    if (rule == NULL)
        return no_memory(err);
    rule->node = node;
    rule->index = (unsigned)loader->all.count;
    if (compile_rule(loader, rule, err) != 0)
        return -1;
    bool is_attached = rule->common.categories.count > 0;
    if (is_attached && list != &loader->common)
        return yaml_error(yaml_get(node, "category"), err,
                          "the rule stands in a category already: \"category\" is for those "
                          "outside");
    if (list_add(&loader->all, rule) != 0 ||
        list_add(is_attached ? &loader->attached : list, rule) != 0)
        return no_memory(err);
    return 0;
}

static int take_rules(struct loader *loader, const struct yaml_node *node, struct rule_list *list,
                      struct error *err)
{
    if (node == NULL || yaml_is_null(node))
        return 0;
    if (yaml_kind(node) != YAML_SEQUENCE)
        return yaml_error(node, err, "rules must be a list");
    for (size_t i = 0; i < yaml_count(node); i++)
        if (take_rule(loader, yaml_item(node, i), list, err) != 0)
            return -1;
    return 0;
}

/* ---- transforms ---- */

static int take_transform(struct loader *loader, const struct yaml_node *list, struct bytes place,
                          struct transform *out, struct error *err)
{
    struct ruleset *ruleset = loader->ruleset;
    struct rule_build build = {
        .arena = &ruleset->arena, .layout = &ruleset->layout, .files = &loader->files};
    return transform_compile(list, place, &build, out, err);
}

/* Those of all packets: one list a file, in the files' order. */
static int take_common_transform(struct loader *loader, const struct yaml_node *list,
                                 struct error *err)
{
    struct ruleset *ruleset = loader->ruleset;
    struct transform transform;
    if (take_transform(loader, list, bytes_of("", 0), &transform, err) != 0)
        return -1;
    if (transform.count > 0)
        ruleset->transforms[ruleset->transform_count++] = transform;
    return 0;
}

/* ---- categories ---- */

static int twice(const struct yaml_node *node, const struct category *category, struct error *err)
{
    return yaml_error(yaml_get(node, "name"), err, "two categories have the name \"%s\"",
                      category->name.ptr);
}

static int take_other(struct loader *loader, const struct yaml_node *node,
                      const struct category *category, struct error *err)
{
    if (loader->has_other)
        return twice(node, category, err);
    loader->has_other = true;
    loader->other = *category;
    return take_rules(loader, yaml_get(node, "rules"), &loader->other_own, err);
}

static int take_category(struct loader *loader, const struct yaml_node *node, struct error *err)
{
    struct category category;
    if (category_compile(node, &loader->ruleset->arena, &category, err) != 0 ||
        take_transform(loader, yaml_get(node, "transform"), category.name, &category.transform,
                       err) != 0)
        return -1;
    if (bytes_equal_text(category.name, "other"))
        return take_other(loader, node, &category, err);
    for (size_t i = 0; i < loader->category_count; i++)
        if (bytes_equal(loader->categories[i].name, category.name))
            return twice(node, &category, err);
    if (loader->category_count == RULESET_CATEGORIES_MAX - 1)
        return yaml_error(node, err, "more than %d categories", RULESET_CATEGORIES_MAX - 1);
    size_t i = loader->category_count++;
    loader->categories[i] = category;
    return take_rules(loader, yaml_get(node, "rules"), &loader->own[i], err);
}

/* The root's list of that name, if there is one. */
static int take_each(struct loader *loader, const struct yaml_node *root, const char *name,
                     int (*take)(struct loader *, const struct yaml_node *, struct error *),
                     struct error *err)
{
    const struct yaml_node *node = yaml_get(root, name);
    if (node == NULL || yaml_is_null(node))
        return 0;
    if (yaml_kind(node) != YAML_SEQUENCE)
        return yaml_error(node, err, "%s must be a list: their order decides", name);
    for (size_t i = 0; i < yaml_count(node); i++)
        if (take(loader, yaml_item(node, i), err) != 0)
            return -1;
    return 0;
}

/* ---- classes of vehicles ---- */

static int take_class(struct loader *loader, const struct yaml_node *node, struct error *err)
{
    if (loader->class_count == RULESET_CLASSES_MAX - 1)
        return yaml_error(node, err, "more than %d classes of vehicles", RULESET_CLASSES_MAX - 1);
    struct class *class = &loader->classes[loader->class_count];
    if (class_compile(node, &loader->ruleset->arena, class, err) != 0)
        return -1;
    for (size_t i = 0; i < loader->class_count; i++)
        if (bytes_equal(loader->classes[i].name, class->name))
            return yaml_error(yaml_get(node, "name"), err, "two classes have the name \"%s\"",
                              class->name.ptr);
    loader->class_count++;
    return 0;
}

/* ---- documents ---- */

static int check_version(const struct yaml_node *root, struct error *err)
{
    const struct yaml_node *node = yaml_get(root, "version");
    int64_t version = 1;
    if (node != NULL && yaml_to_int(node, "version", &version, err) != 0)
        return -1;
    if (version != 1)
        return yaml_error(node, err, "version %lld of rules is not known; this program reads 1",
                          (long long)version);
    return 0;
}

static int take_root(struct loader *loader, const struct yaml_node *root, struct error *err)
{
    static const char *const known[] = {"version",    "transform", "rules",
                                        "categories", "classes",   NULL};
    if (yaml_kind(root) != YAML_MAPPING)
        return yaml_error(root, err, "a ruleset is a mapping with rules and categories");
    if (yaml_check_keys(root, known, err) != 0 || check_version(root, err) != 0)
        return -1;
    if (take_common_transform(loader, yaml_get(root, "transform"), err) != 0 ||
        take_rules(loader, yaml_get(root, "rules"), &loader->common, err) != 0 ||
        take_each(loader, root, "classes", take_class, err) != 0)
        return -1;
    return take_each(loader, root, "categories", take_category, err);
}

static int take_text(struct loader *loader, const char *name, struct bytes text, struct error *err)
{
    struct ruleset *ruleset = loader->ruleset;
    if (loader->file_count == FILES_MAX)
        return error_set(err, ERROR_CONFIG, "a ruleset of more than %d files", FILES_MAX);
    if (text.len > RULESET_TEXT_MAX)
        return error_set(err, ERROR_CONFIG, "%s: a ruleset of more than %d bytes", name,
                         RULESET_TEXT_MAX);
    struct yaml_document *document;
    if (yaml_load_bytes(&document, name, text, err) != 0)
        return -1;
    ruleset->documents[ruleset->document_count++] = document;
    loader->hashes[loader->file_count++] = hash64(text);
    if (rule_files_enter(&loader->files, name, err) != 0)
        return -1;
    return take_root(loader, yaml_root(document), err);
}

static int read_file(const char *path, struct buf *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "can't open the ruleset %s", path);
    int result = fd_read_all(fd, RULESET_TEXT_MAX, out);
    int number = errno;
    close(fd);
    if (out->has_failed)
        return no_memory(err);
    if (result != 0)
        return error_set_errno(err, ERROR_CONFIG, number, "can't read the ruleset %s", path);
    return 0;
}

static int take_file(struct loader *loader, const char *path, struct error *err)
{
    struct buf text;
    buf_init(&text, 0);
    int result = read_file(path, &text, err);
    if (result == 0)
        result = take_text(loader, path, buf_bytes(&text), err);
    buf_deinit(&text);
    return result;
}

/* ---- names of categories, once all are known ---- */

/* Its place; category_count is `other`. */
static int find_category(const struct loader *loader, const struct yaml_node *node,
                         struct bytes name, size_t *out, struct error *err)
{
    const char *names[RULESET_CATEGORIES_MAX + 1];
    size_t count = loader->category_count;
    for (size_t i = 0; i <= count; i++) {
        names[i] = i == count ? "other" : loader->categories[i].name.ptr;
        *out = i;
        if (bytes_equal_text(name, names[i]))
            return 0;
    }
    names[count + 1 > RULESET_CATEGORIES_MAX ? RULESET_CATEGORIES_MAX : count + 1] = NULL;
    const char *near = yaml_suggest(name.ptr, names);
    if (near != NULL)
        return yaml_error(node, err, "no category is named \"%.60s\"; did you mean \"%s\"?",
                          name.ptr, near);
    return yaml_error(node, err, "no category is named \"%.60s\"", name.ptr);
}

static int attach(struct loader *loader, struct rule *rule, struct error *err)
{
    const struct yaml_node *node = yaml_get(rule->node, "category");
    for (size_t i = 0; i < rule->common.categories.count; i++) {
        size_t category;
        const struct yaml_node *place =
            yaml_kind(node) == YAML_SEQUENCE ? yaml_item(node, i) : node;
        if (find_category(loader, place, rule->common.categories.items[i], &category, err) != 0)
            return -1;
        bool is_other = category == loader->category_count;
        struct rule_list *list = is_other ? &loader->other_own : &loader->own[category];
        for (size_t k = 0; k < list->count; k++)
            if (list->items[k] == rule)
                return yaml_error(place, err, "the category is named twice");
        if (list_add(list, rule) != 0)
            return no_memory(err);
    }
    return 0;
}

static int resolve_names(struct loader *loader, struct error *err)
{
    for (size_t i = 0; i < loader->attached.count; i++)
        if (attach(loader, loader->attached.items[i], err) != 0)
            return -1;
    for (size_t i = 0; i < loader->all.count; i++) {
        struct rule *rule = loader->all.items[i];
        if (rule->action == RULE_ROUTE &&
            find_category(loader, yaml_get(rule->node, "to"), rule->common.to, &rule->to, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- layout ---- */

static bool is_guarded(const struct rule *rule)
{
    return rule->common.when != NULL || rule->sample_max != UINT64_MAX;
}

struct copied {
    struct rule_test *tests;
    size_t count;
    int flags; /* that they may set */
};

static void copy_tests(struct copied *copied, const struct rule_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct rule *rule = list->items[i];
        if (!rule->common.is_enabled)
            continue;
        struct rule_test *test = &copied->tests[copied->count++];
        *test = rule->test;
        if (is_guarded(rule))
            test->form = RULE_GUARDED;
        copied->flags += rule->action != RULE_DEAD_LETTER && rule->flag.len > 0;
    }
}

static void fold(struct category *category, struct rule_test *rest)
{
    rule_fold_init(&category->fold);
    category->rest = rest;
    for (size_t i = 0; i < category->test_count; i++) {
        const struct rule_test *test = &category->tests[i];
        if (test->action == RULE_FLAG || !rule_fold_add(&category->fold, test))
            rest[category->rest_count++] = *test;
    }
}

/* What a rule remembers depends on which packets came as far as it: on the rules
 * before it that end a packet, and on what those remember in turn. */
static void add_lookbacks(struct ruleset *ruleset, const struct category *category,
                          int64_t before_ns)
{
    int64_t ending_ns = before_ns;
    for (size_t i = 0; i < category->test_count; i++) {
        const struct rule *rule = category->tests[i].rule;
        if (rule->lookback_ns == 0)
            continue;
        int64_t total_ns = rule->lookback_ns + ending_ns;
        if (rule->action != RULE_FLAG)
            ending_ns = total_ns;
        if (total_ns > ruleset->layout.lookback_ns)
            ruleset->layout.lookback_ns = total_ns;
    }
}

static int lay_out(struct loader *loader, struct category *category, const struct rule_list *own,
                   struct error *err)
{
    size_t count = loader->common.count + own->count;
    struct rule_test *tests = rule_alloc(&loader->ruleset->arena, (count + 1) * sizeof *tests);
    struct rule_test *rest = rule_alloc(&loader->ruleset->arena, (count + 1) * sizeof *rest);
    if (tests == NULL || rest == NULL)
        return no_memory(err);
    struct copied copied = {.tests = tests};
    copy_tests(&copied, &loader->common);
    copy_tests(&copied, own);
    if (copied.flags > CATEGORY_FLAGS_MAX)
        return error_set(err, ERROR_CONFIG,
                         "category \"%s\" has %d rules that flag; a packet holds at most %d flags",
                         category->name.ptr, copied.flags, CATEGORY_FLAGS_MAX);
    category->tests = tests;
    category->test_count = copied.count;
    fold(category, rest);
    return 0;
}

/* Of one dialect: without those that can't match it, up to the first that takes
 * all of it; the last has no match. NULL without memory. */
static const struct candidate *candidates_of(struct rule_arena *arena,
                                             const struct predicate *const *matches, size_t count,
                                             enum packet_dialect dialect)
{
    struct candidate *list = rule_alloc(arena, count * sizeof *list), *next = list;
    for (size_t i = 0; list != NULL && i < count; i++) {
        enum certainty certainty =
            matches[i] == NULL ? CERTAINLY : predicate_of_dialect(matches[i], dialect);
        if (certainty == CERTAINLY_NOT)
            continue;
        *next++ = (struct candidate){certainty == CERTAINLY ? NULL : matches[i], i};
        if (certainty == CERTAINLY)
            break;
    }
    return list;
}

static int list_candidates(struct ruleset *ruleset, struct error *err)
{
    const struct predicate *categories[RULESET_CATEGORIES_MAX] = {NULL};
    const struct predicate *classes[RULESET_CLASSES_MAX] = {NULL};
    for (size_t i = 0; i + 1 < ruleset->category_count; i++)
        categories[i] = &ruleset->categories[i].match;
    for (size_t i = 0; i + 1 < ruleset->class_count; i++)
        classes[i] = &ruleset->classes[i].match;
    for (unsigned i = 0; i < DIALECTS_MAX; i++) {
        enum packet_dialect dialect = (enum packet_dialect)i;
        ruleset->candidates[i] =
            candidates_of(&ruleset->arena, categories, ruleset->category_count, dialect);
        ruleset->class_candidates[i] =
            candidates_of(&ruleset->arena, classes, ruleset->class_count, dialect);
        if (ruleset->candidates[i] == NULL || ruleset->class_candidates[i] == NULL)
            return no_memory(err);
    }
    return 0;
}

static int copy_classes(struct loader *loader, struct error *err)
{
    struct ruleset *ruleset = loader->ruleset;
    ruleset->class_count = loader->class_count + 1;
    ruleset->classes = rule_alloc(&ruleset->arena, ruleset->class_count * sizeof(struct class));
    if (ruleset->classes == NULL)
        return no_memory(err);
    memcpy(ruleset->classes, loader->classes, loader->class_count * sizeof(struct class));
    ruleset->classes[loader->class_count] = (struct class){.name = BYTES("other")};
    return 0;
}

static uint64_t hash_of(struct loader *loader)
{
    size_t count = loader->file_count;
    if (loader->files.hash != 0)
        loader->hashes[count++] = loader->files.hash;
    uint64_t hash = loader->hashes[0];
    if (count > 1)
        hash = hash64(bytes_of((const char *)loader->hashes, count * sizeof loader->hashes[0]));
    return hash == 0 ? 1 : hash;
}

/* New text of a packet: of all common lists and of the category with most. */
static void measure_transforms(struct ruleset *ruleset)
{
    size_t most = 0;
    for (size_t i = 0; i < ruleset->transform_count; i++)
        ruleset->transform_text += ruleset->transforms[i].text_bytes;
    ruleset->has_transforms = ruleset->transform_count > 0;
    for (size_t i = 0; i < ruleset->category_count; i++) {
        const struct transform *transform = &ruleset->categories[i].transform;
        ruleset->has_transforms = ruleset->has_transforms || transform->count > 0;
        most = transform->text_bytes > most ? transform->text_bytes : most;
    }
    ruleset->transform_text += most;
}

static int complete(struct loader *loader, struct error *err)
{
    struct ruleset *ruleset = loader->ruleset;
    size_t count = loader->category_count + 1;
    if (resolve_names(loader, err) != 0)
        return -1;
    ruleset->categories = rule_alloc(&ruleset->arena, count * sizeof *ruleset->categories);
    ruleset->rules = rule_alloc(&ruleset->arena, (loader->all.count + 1) * sizeof(struct rule *));
    if (ruleset->categories == NULL || ruleset->rules == NULL)
        return no_memory(err);
    loader->other.name = BYTES("other");
    int64_t before_ns = ruleset->layout.lookback_ns;
    for (size_t i = 0; i < count; i++) {
        bool is_other = i + 1 == count;
        ruleset->categories[i] = is_other ? loader->other : loader->categories[i];
        const struct rule_list *own = is_other ? &loader->other_own : &loader->own[i];
        if (lay_out(loader, &ruleset->categories[i], own, err) != 0)
            return -1;
        add_lookbacks(ruleset, &ruleset->categories[i], before_ns);
    }
    ruleset->category_count = count;
    measure_transforms(ruleset);
    if (copy_classes(loader, err) != 0 || list_candidates(ruleset, err) != 0)
        return -1;
    for (size_t i = 0; i < loader->all.count; i++) {
        ruleset->rules[i] = loader->all.items[i];
        ruleset->has_machines |= loader->all.items[i]->kind->machine_new != NULL;
    }
    ruleset->rule_count = loader->all.count;
    ruleset->needs_thread =
        ruleset->layout.bytes > 0 || ruleset->has_machines || ruleset->has_transforms;
    ruleset->hash = hash_of(loader);
    return 0;
}

/* ---- a load as a whole ---- */

static struct loader *loader_new(size_t files, struct error *err)
{
    struct loader *loader = calloc(1, sizeof *loader);
    struct ruleset *ruleset = calloc(1, sizeof *ruleset);
    struct yaml_document **documents = calloc(files + 1, sizeof(struct yaml_document *));
    struct transform *transforms =
        ruleset == NULL ? NULL : rule_alloc(&ruleset->arena, (files + 1) * sizeof *transforms);
    if (loader == NULL || transforms == NULL || documents == NULL) {
        if (ruleset != NULL)
            rule_arena_deinit(&ruleset->arena);
        free(loader);
        free(ruleset);
        free(documents);
        no_memory(err);
        return NULL;
    }
    atomic_init(&ruleset->refs, 1);
    ruleset->documents = documents;
    ruleset->transforms = transforms;
    loader->ruleset = ruleset;
    rule_files_init(&loader->files);
    return loader;
}

/* Hands over the ruleset when all went well (result 0). */
static int loader_finish(struct loader *loader, int result, struct ruleset **out, struct error *err)
{
    if (result == 0)
        result = complete(loader, err);
    if (result == 0)
        *out = loader->ruleset;
    else
        ruleset_unref(loader->ruleset);
    free(loader->all.items);
    free(loader->common.items);
    free(loader->attached.items);
    for (size_t i = 0; i < RULESET_CATEGORIES_MAX; i++)
        free(loader->own[i].items);
    free(loader->other_own.items);
    rule_files_deinit(&loader->files);
    free(loader);
    return result;
}

int ruleset_load_bytes(struct ruleset **out, const char *name, struct bytes text, struct error *err)
{
    struct loader *loader = loader_new(1, err);
    if (loader == NULL)
        return -1;
    return loader_finish(loader, take_text(loader, name, text, err), out, err);
}

int ruleset_load_file(struct ruleset **out, const char *path, struct error *err)
{
    struct loader *loader = loader_new(1, err);
    if (loader == NULL)
        return -1;
    return loader_finish(loader, take_file(loader, path, err), out, err);
}

int ruleset_load_default(struct ruleset **out, struct error *err)
{
    return ruleset_load_bytes(out, "built-in rules", ruleset_default_text(), err);
}

/* ---- a folder ---- */

static int is_yaml(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return entry->d_name[0] != '.' && len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

/* By bytes: the order must not hang on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int take_entries(struct loader *loader, const char *path, struct dirent **entries, int count,
                        struct error *err)
{
    if (count == 0 || count > FILES_MAX)
        return error_set(err, ERROR_CONFIG, "%s: %d files *.yaml; between 1 and %d wanted", path,
                         count, FILES_MAX);
    for (int i = 0; i < count; i++) {
        char file[4096];
        int len = snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        if (len < 0 || (size_t)len >= sizeof file)
            return error_set(err, ERROR_CONFIG, "%s: the path is too long", path);
        if (take_file(loader, file, err) != 0)
            return -1;
    }
    return 0;
}

static int take_path(struct loader *loader, const char *path, struct error *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "can't open the ruleset %s", path);
    if (!S_ISDIR(status.st_mode))
        return take_file(loader, path, err);
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_yaml, by_name);
    if (count < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "can't read the rules' folder %s", path);
    int result = take_entries(loader, path, entries, count, err);
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    return result;
}

int ruleset_load_files(struct ruleset **out, const char *const *paths, size_t count,
                       struct error *err)
{
    struct loader *loader = loader_new(FILES_MAX, err);
    if (loader == NULL)
        return -1;
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = take_path(loader, paths[i], err);
    return loader_finish(loader, result, out, err);
}

int ruleset_load_dir(struct ruleset **out, const char *path, struct error *err)
{
    return ruleset_load_files(out, &path, 1, err);
}

int ruleset_load(struct ruleset **out, const char *path, struct error *err)
{
    if (path == NULL || path[0] == '\0')
        return ruleset_load_default(out, err);
    return ruleset_load_files(out, &path, 1, err);
}
