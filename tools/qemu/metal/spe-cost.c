// SPDX-License-Identifier: GPL-2.0
/*
 * spe-cost - a fixed piece of work, for tools/build/qemu_cost.sh to see what it costs to
 * emulate: loads, stores, branches, calls and exceptions. Its argument (-append) is
 * "off", for any CPU, or the interval at which it is to be sampled all the time.
 *
 * Bare metal, with the header of QEMU's own tests (tests/tcg/aarch64/system/spe.h).
 * Exit: 0 done, 1 bad argument or not sampled as it should be.
 */
#include "spe.h"

#define ROUNDS		100000

static uint64_t table[4096];

static __attribute__((noinline)) uint64_t mix(uint64_t v)
{
	v ^= v << 13;
	v ^= v >> 7;
	v ^= v << 17;
	return v;
}

/* About 50 thousand instructions, so that at an interval of 1024 there is room */
static uint64_t work(uint64_t v)
{
	for (int i = 0; i < 4096; i += 4) {
		v = mix(v);
		if (v & 1)
			table[i] += table[v & 4095];
		else
			table[v & 4095] ^= table[i];
	}
	asm volatile("svc #0" : : : "memory");
	return v;
}

static uint64_t number(const char *p)
{
	uint64_t v = 0;

	while (*p >= '0' && *p <= '9')
		v = v * 10 + *p++ - '0';
	return *p ? 0 : v;
}

int main(void)
{
	const char *arg = arguments();
	uint64_t v = 1, interval = number(arg), records = 0, full = 0;

	if (!interval && (arg[0] != 'o' || arg[1] != 'f')) {
		ml_printf("-append is neither 'off' nor an interval\n");
		return 1;
	}
	asm volatile("adr x0, vectors\n msr vbar_el1, x0\n isb" : : : "x0", "memory");
	if (interval)
		setup(interval, sizeof(buffer));
	for (int i = 0; i < ROUNDS; i++) {
		if (interval)
			sample(v = work(v));
		else
			v = work(v);
		if (interval && nr_records() > RECORDS / 2) {
			records += nr_records();
			wr(PMBPTR_EL1, buffer);
		}
		full += interval && rd(PMBSR_EL1);
	}
	ml_printf("%ld %ld records\n", v, records);
	return full || (interval && !records);
}
