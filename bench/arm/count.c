/* A plugin of qemu-aarch64 that counts executed instructions by function, and those among them that multiply and add
 * vectors.
 *
 *   cc -O2 -shared -fPIC -o libcount.so count.c
 *   qemu-aarch64 -plugin ./libcount.so -d plugin -D counts.txt PROGRAM
 *
 * At the end it writes a line for each function: all instructions, multiply-adds, name. The interface is version 1 of
 * qemu's (qemu 6.0 to 8.2), declared here because Debian has no package of its header. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { ADD_U64 = 0 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int, void *, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
void qemu_plugin_outs(const char *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

struct function {
    char *name;
    uint64_t all, products;
    struct function *next;
};

static struct function *functions;

static struct function *find(const char *name)
{
    for (struct function *f = functions; f; f = f->next)
        if (strcmp(f->name, name) == 0)
            return f;
    struct function *f = calloc(1, sizeof *f);
    if (!f || !(f->name = strdup(name)))
        abort();
    f->next = functions;
    return functions = f;
}

/* The encodings are those of the Arm Architecture Reference Manual, section C4.1. */
static int multiplies_and_adds(uint32_t word)
{
    return (word & 0xBFA0FC00) == 0x0E20CC00    /* FMLA, vectors of float32 or float64 */
        || (word & 0xBF80F400) == 0x0F801000    /* FMLA by element */
        || (word & 0xBFC0F400) == 0x0F80E000    /* SDOT by element */
        || (word & 0xFFE0F400) == 0x4E80A400    /* SMMLA, USMMLA */
        || (word & 0xFFE0FC00) == 0x6E40EC00;   /* BFMMLA */
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const char *symbol = qemu_plugin_insn_symbol(insn);
        struct function *f = find(symbol ? symbol : "?");
        uint32_t word;
        memcpy(&word, qemu_plugin_insn_data(insn), sizeof word);
        qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &f->all, 1);
        if (multiplies_and_adds(word))
            qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &f->products, 1);
    }
}

static void ended(qemu_plugin_id_t id, void *data)
{
    char numbers[64];
    (void)id, (void)data;
    for (struct function *f = functions; f; f = f->next) {
        if (f->all == 0)
            continue;
        snprintf(numbers, sizeof numbers, "%" PRIu64 " %" PRIu64 " ", f->all, f->products);
        qemu_plugin_outs(numbers);
        qemu_plugin_outs(f->name);
        qemu_plugin_outs("\n");
    }
}

__attribute__((visibility("default")))
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
