/* CO-RE reads on the host: plain member access along the chain. */
#pragma once
#define FAKE_R2(p, a) ((p)->a)
#define FAKE_R3(p, a, b) ((p)->a->b)
#define FAKE_R4(p, a, b, c) ((p)->a->b->c)
#define FAKE_PICK(_1, _2, _3, _4, name, ...) name
#define bpf_core_field_offset(type, field) offsetof(type, field)
#define BPF_CORE_READ(...) FAKE_PICK(__VA_ARGS__, FAKE_R4, FAKE_R3, FAKE_R2)(__VA_ARGS__)
