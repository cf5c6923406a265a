// SPDX-License-Identifier: GPL-2.0
/*
 * nn_break: a function of the kernel that does not do its work, until this is removed.
 * For tests of tests, which must notice.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/ptrace.h>

static char *func;
module_param(func, charp, 0444);
MODULE_PARM_DESC(func, "the function, one that a kprobe can be in");

static unsigned long ret;
module_param(ret, ulong, 0444);
MODULE_PARM_DESC(ret, "what it returns instead");

static unsigned int every = 1;
module_param(every, uint, 0444);
MODULE_PARM_DESC(every, "it is one call in that many");

static atomic_t calls, broken;

static int break_pre(struct kprobe *p, struct pt_regs *regs)
{
	if ((unsigned int)atomic_inc_return(&calls) % every)
		return 0;
	atomic_inc(&broken);
	regs_set_return_value(regs, ret);
	instruction_pointer_set(regs, procedure_link_pointer(regs));
	return 1;
}

static struct kprobe break_probe = {
	.pre_handler = break_pre,
};

static int __init break_init(void)
{
	int err;

	if (!func || !every) {
		pr_err("func= names the function, every= is not 0\n");
		return -EINVAL;
	}
	break_probe.symbol_name = func;
	err = register_kprobe(&break_probe);
	if (err)
		pr_err("%s: error %d; is there such a function?\n", func, err);
	return err;
}

static void __exit break_exit(void)
{
	unregister_kprobe(&break_probe);
	pr_info("%s: %d calls of %d did nothing\n", func, atomic_read(&broken), atomic_read(&calls));
}

module_init(break_init);
module_exit(break_exit);

MODULE_DESCRIPTION("Keeps a function from doing its work");
MODULE_LICENSE("GPL");
