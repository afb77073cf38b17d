// Copyright 2026 The Vireo Authors
// SPDX-License-Identifier: Apache-2.0

/// The x86 CPU models that QEMU knows by name, with what they consist of.
///
/// Source: `query-cpu-definitions` and `query-cpu-model-expansion` (type `full`) of QEMU 7.2, feature names as libvirt spells
/// them. One line for each model: name, vendor, family, model, the model that it builds on, features gained and lost.
enum X86ModelTable {
    static let lines = """
        486 unknown 4 8 - +fpu +pse
        pentium unknown 5 4 486 +apic +cx8 +de +mce +mmx +msr +tsc
        pentium2 unknown 6 5 pentium +cmov +fxsr +mca +mtrr +pae +pat +pge +pse36 +sep
        pentium3 unknown 6 7 pentium2 +sse
        coreduo Intel 6 14 pentium3 +acpi +clflush +monitor +nx +pni +ss +sse2 -pse36
        n270 Intel 6 28 coreduo +lahf_lm +movbe +ssse3
        core2duo Intel 6 15 n270 +cx16 +lm +pse36 +syscall -movbe
        kvm32 unknown 15 6 pentium3 +clflush +pni +sse2
        kvm64 unknown 15 6 kvm32 +cx16 +lm +nx +syscall
        qemu32 unknown 6 6 kvm32 -clflush -mca -mtrr -pse36
        qemu64 unknown 15 107 kvm64 +lahf_lm +svm
        athlon AMD 6 2 pentium3 +3dnow +3dnowext +mmxext +sse2
        phenom AMD 16 2 qemu64 +3dnow +3dnowext +abm +fxsr_opt +mmxext +monitor +npt +pdpe1gb +popcnt +rdtscp +sse4a
        Conroe Intel 6 15 qemu64 +ssse3 -cx16 -svm
        Penryn Intel 6 23 Conroe +cx16 +sse4.1
        Nehalem Intel 6 26 Penryn +popcnt +sse4.2
        Nehalem-IBRS Intel 6 26 Nehalem +spec-ctrl
        Westmere Intel 6 44 Nehalem +aes +arat +pclmuldq
        Westmere-IBRS Intel 6 44 Westmere +spec-ctrl
        SandyBridge Intel 6 42 Westmere +avx +rdtscp +tsc-deadline +x2apic +xsave +xsaveopt
        SandyBridge-IBRS Intel 6 42 SandyBridge +spec-ctrl
        IvyBridge Intel 6 58 SandyBridge +erms +f16c +fsgsbase +rdrand +smep
        IvyBridge-IBRS Intel 6 58 IvyBridge +spec-ctrl
        Haswell-noTSX Intel 6 60 IvyBridge +abm +avx2 +bmi1 +bmi2 +fma +invpcid +movbe +pcid
        Haswell-noTSX-IBRS Intel 6 60 Haswell-noTSX +spec-ctrl
        Haswell Intel 6 60 Haswell-noTSX +hle +rtm
        Haswell-IBRS Intel 6 60 Haswell +spec-ctrl
        Broadwell-noTSX Intel 6 61 Haswell-noTSX +3dnowprefetch +adx +rdseed +smap
        Broadwell-noTSX-IBRS Intel 6 61 Broadwell-noTSX +spec-ctrl
        Broadwell Intel 6 61 Broadwell-noTSX +hle +rtm
        Broadwell-IBRS Intel 6 61 Broadwell +spec-ctrl
        Skylake-Client-noTSX-IBRS Intel 6 94 Broadwell-noTSX-IBRS +xgetbv1 +xsavec
        Skylake-Client Intel 6 94 Broadwell +xgetbv1 +xsavec
        Skylake-Client-IBRS Intel 6 94 Skylake-Client +spec-ctrl
        Skylake-Server-noTSX-IBRS Intel 6 85 Skylake-Client-noTSX-IBRS +avx512bw +avx512cd +avx512dq +avx512f +avx512vl +clwb \
          +pdpe1gb +pku
        Skylake-Server Intel 6 85 Skylake-Server-noTSX-IBRS +clflushopt +hle +rtm -spec-ctrl
        Skylake-Server-IBRS Intel 6 85 Skylake-Server +spec-ctrl -clflushopt
        Cascadelake-Server-noTSX Intel 6 85 Skylake-Server-noTSX-IBRS +arch-capabilities +avx512vnni +clflushopt +ibrs-all \
          +mds-no +rdctl-no +skip-l1dfl-vmentry +ssbd
        Cascadelake-Server Intel 6 85 Skylake-Server-IBRS +avx512vnni +clflushopt +ssbd
        Cooperlake Intel 6 85 Cascadelake-Server-noTSX +avx512-bf16 +hle +pschange-mc-no +rtm +stibp +taa-no
        Icelake-Server-noTSX Intel 6 134 Cascadelake-Server +avx512-vpopcntdq +avx512bitalg +avx512vbmi +avx512vbmi2 +gfni \
          +la57 +umip +vaes +vpclmulqdq +wbnoinvd -hle -rtm
        Icelake-Server Intel 6 134 Icelake-Server-noTSX +hle +rtm
        Snowridge Intel 6 134 - +3dnowprefetch +aes +apic +arat +arch-capabilities +cldemote +clflush +clflushopt +clwb +cmov \
          +core-capability +cx16 +cx8 +de +erms +fpu +fsgsbase +fxsr +gfni +lahf_lm +lm +mca +mce +mmx +monitor +movbe \
          +movdir64b +movdiri +mpx +msr +mtrr +nx +pae +pat +pclmuldq +pdpe1gb +pge +pni +popcnt +pse +pse36 +rdrand +rdseed \
          +rdtscp +sep +sha-ni +smap +smep +spec-ctrl +split-lock-detect +ssbd +sse +sse2 +sse4.1 +sse4.2 +ssse3 +syscall +tsc \
          +tsc-deadline +umip +x2apic +xgetbv1 +xsave +xsavec +xsaveopt
        Opteron_G1 AMD 15 6 kvm64 -cx16
        Opteron_G2 AMD 15 6 qemu64
        Opteron_G3 AMD 16 2 Opteron_G2 +abm +misalignsse +monitor +popcnt +rdtscp +sse4a
        Opteron_G4 AMD 21 1 Opteron_G3 +3dnowprefetch +aes +avx +fma4 +npt +nrip-save +pclmuldq +pdpe1gb +sse4.1 +sse4.2 \
          +ssse3 +xop +xsave -monitor
        Opteron_G5 AMD 21 2 Opteron_G4 +f16c +fma +tbm
        EPYC AMD 23 1 - +3dnowprefetch +abm +adx +aes +apic +arat +avx +avx2 +bmi1 +bmi2 +clflush +clflushopt +cmov +cr8legacy \
          +cx16 +cx8 +de +f16c +fma +fpu +fsgsbase +fxsr +fxsr_opt +lahf_lm +lm +mca +mce +misalignsse +mmx +mmxext +monitor \
          +movbe +msr +mtrr +npt +nrip-save +nx +osvw +pae +pat +pclmuldq +pdpe1gb +pge +pni +popcnt +pse +pse36 +rdrand \
          +rdseed +rdtscp +sep +sha-ni +smap +smep +sse +sse2 +sse4.1 +sse4.2 +sse4a +ssse3 +svm +syscall +topoext +tsc \
          +xgetbv1 +xsave +xsavec +xsaveopt
        EPYC-IBPB AMD 23 1 EPYC +ibpb
        Dhyana Hygon 24 0 EPYC-IBPB -aes -pclmuldq -sha-ni
        EPYC-Rome AMD 23 49 EPYC-IBPB +amd-stibp +clwb +clzero +perfctr_core +rdpid +umip +wbnoinvd +xsaveerptr +xsaves
        EPYC-Milan AMD 25 1 EPYC-Rome +amd-ssbd +erms +fsrm +ibrs +invpcid +pcid +pku +svme-addr-chk
        """

    /// Further features that QEMU and libvirt have names for.
    static let otherFeatures = """
        ace2 ace2-en amd-no-ssb amx-bf16 amx-int8 amx-tile arch-lbr avx-vnni avx512-4fmaps avx512-4vnniw avx512-fp16 \
          avx512-vp2intersect avx512er avx512ifma avx512pf bus-lock-detect cid cmp_legacy dca decodeassists ds ds-cpl dtes64 \
          est extapic flushbyasid full-width-write ht ia64 ibs intel-pt intel-pt-lip invtsc lbrv lwp md-clear nodeid_msr \
          pause-filter pbe pcommit pdcm perfctr_nb pfthreshold phe phe-en pks pmm pmm-en pn rsba serialize sgx sgx-debug \
          sgx-exinfo sgx-kss sgx-mode64 sgx-provisionkey sgx-tokenkey sgx1 sgx2 sgxlc skinit smx ssb-no svm-lock tce tm tm2 \
          tsc-scale tsc_adjust tsx-ctrl tsx-ldtrk v-vmsave-vmload vgif virt-ssbd vmcb-clean vme vmx waitpkg wdt xcrypt \
          xcrypt-en xfd xstore xstore-en xtpr
        """
}
