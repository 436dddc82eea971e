/* Register access of x86-64 on the host. */
#pragma once
#define PT_REGS_PARM1(r) ((r)->di)
#define PT_REGS_PARM2(r) ((r)->si)
#define PT_REGS_PARM3(r) ((r)->dx)
#define PT_REGS_PARM4(r) ((r)->cx)
#define PT_REGS_PARM5(r) ((r)->r8)
#define PT_REGS_RC(r) ((r)->ax)
#define PT_REGS_SP(r) ((r)->sp)
#define PT_REGS_FP(r) ((r)->bp)
#define PT_REGS_IP(r) ((r)->ip)
#define PT_REGS_PARM1_CORE_SYSCALL(r) ((r)->di)
#define PT_REGS_PARM2_CORE_SYSCALL(r) ((r)->si)
#define PT_REGS_PARM3_CORE_SYSCALL(r) ((r)->dx)
#define PT_REGS_SP_CORE(r) ((r)->sp)
#define PT_REGS_FP_CORE(r) ((r)->bp)
#define PT_REGS_IP_CORE(r) ((r)->ip)
/* A typed tracepoint is a function of its arguments. */
#define BPF_PROG(name, ...) name(__VA_ARGS__)
