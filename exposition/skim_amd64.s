//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// SAME goes on where X0 is X2 and X1 is X3: 32 bytes.
#define SAME \
	PCMPEQB X2, X0; \
	PCMPEQB X3, X1; \
	PAND X1, X0; \
	PMOVMSKB X0, CX; \
	CMPL CX, $0xFFFF; \
	JNE  done

// ZEROS takes the bits of '0' off eight bytes, so that digits are what they spell.
#define ZEROS(word) \
	MOVQ $0x3030303030303030, CX; \
	XORQ CX, word

// DIGITS sets a bit of CX for each byte of AX that is no digit, which is right up to the first: what is left of it is above 9,
// and a carry goes to those after it. The zero flag is set where all are digits.
#define DIGITS \
	MOVQ $0x7676767676767676, CX; \
	LEAQ (AX)(CX*1), CX; \
	ORQ  AX, CX; \
	MOVQ $0x8080808080808080, DX; \
	ANDQ DX, CX

// COUNT makes CX 8 times the digits that DIGITS has found, and 7. Machines without TZCNT read it as BSF, which does the same.
#define COUNT TZCNTQ CX, CX

// FIRST leaves the digits that COUNT has counted, at the high end of AX: at least one, and not all.
#define FIRST \
	NEGQ CX; \
	ADDQ $71, CX; \
	SHLQ CX, AX

// SPELL makes AX the number that its eight bytes spell: pairs of them are added up, then fours, then all.
#define SPELL \
	MOVQ AX, CX; \
	SHRQ $8, CX; \
	LEAQ (AX)(AX*4), AX; \
	LEAQ (CX)(AX*2), AX; \
	MOVQ $0x000000FF000000FF, DX; \
	MOVQ AX, CX; \
	ANDQ DX, CX; \
	SHRQ $16, AX; \
	ANDQ DX, AX; \
	MOVQ $0x000F424000000064, DX; \
	IMULQ DX, CX; \
	MOVQ $0x0000271000000001, DX; \
	IMULQ DX, AX; \
	ADDQ CX, AX; \
	SHRQ $32, AX

// func skimLines(s *skimming)
//
// SI  the page, from the line under way on
// DI  up to where a line's text may reach, so that all that is read behind it is there
// BX  the entry that is expected, R8 the end of the entries
// R9  the table's lines
// R10 where the next value goes, R11 the end of the room for values
TEXT ·skimLines(SB), NOSPLIT, $0-8
	MOVQ s+0(FP), AX
	MOVQ skimming_page(AX), SI
	MOVQ skimming_size(AX), DI
	LEAQ -const_plainWindow-1(SI)(DI*1), DI
	MOVQ skimming_entries(AX), BX
	MOVQ skimming_lines(AX), R8
	LEAQ (BX)(R8*4), R8
	MOVQ skimming_known(AX), R9
	MOVQ skimming_values(AX), R10
	MOVQ skimming_room(AX), R11
	LEAQ (R10)(R11*8), R11

line:
	CMPQ BX, R8
	JAE  done
	MOVL (BX), AX
	LEAQ (AX)(AX*2), AX
	LEAQ (R9)(AX*8), R12                // 24 bytes each
	LEAQ 64(BX), CX                     // what comes is on its way from memory meanwhile
	CMPQ CX, R8
	JAE  near
	MOVL (CX), AX
	LEAQ (AX)(AX*2), AX
	PREFETCHT0 (R9)(AX*8)
	MOVL 32(BX), AX
	LEAQ (AX)(AX*2), AX
	MOVQ known_text(R9)(AX*8), AX
	PREFETCHT0 (AX)
	PREFETCHT0 64(AX)

near:
	MOVQ known_text+0(R12), DX
	MOVQ known_text+8(R12), CX
	MOVLQSX known_slot(R12), R12
	LEAQ (SI)(CX*1), R13                // behind the text
	CMPQ R13, DI
	JA   done
	CMPQ CX, $32
	JB   short
	CMPB ·wide(SB), $0
	JEQ  narrow
	CMPQ CX, $64
	JB   two
	CMPQ CX, $128
	JA   narrow
	VMOVDQU (SI), Y0                    // the last 64 bytes too, some of them twice
	VMOVDQU 32(SI), Y1
	VPCMPEQB (DX), Y0, Y0
	VPCMPEQB 32(DX), Y1, Y1
	VMOVDQU -64(R13), Y2
	VMOVDQU -32(R13), Y3
	VPCMPEQB -64(DX)(CX*1), Y2, Y2
	VPCMPEQB -32(DX)(CX*1), Y3, Y3
	VPAND Y1, Y0, Y0
	VPAND Y3, Y2, Y2
	VPAND Y2, Y0, Y0
	JMP  equal

two:
	VMOVDQU (SI), Y0
	VPCMPEQB (DX), Y0, Y0
	VMOVDQU -32(R13), Y1
	VPCMPEQB -32(DX)(CX*1), Y1, Y1
	VPAND Y1, Y0, Y0

equal:
	VPMOVMSKB Y0, AX
	VZEROUPPER
	CMPL AX, $-1
	JNE  done
	JMP  behind

narrow:
	LEAQ -32(R13), R15                  // the last 32 bytes are compared at the end, some of them twice
	MOVQ SI, AX

most:
	CMPQ AX, R15
	JAE  rest
	MOVOU (AX), X0
	MOVOU 16(AX), X1
	MOVOU (DX), X2
	MOVOU 16(DX), X3
	SAME
	ADDQ $32, AX
	ADDQ $32, DX
	JMP  most

rest:
	SUBQ R15, AX
	SUBQ AX, DX
	MOVOU (R15), X0
	MOVOU 16(R15), X1
	MOVOU (DX), X2
	MOVOU 16(DX), X3
	SAME
	JMP  behind

short:
	CMPQ CX, $16
	JB   done
	MOVOU (SI), X0
	MOVOU -16(R13), X1
	MOVOU (DX), X2
	MOVOU -16(DX)(CX*1), X3
	SAME

behind:
	CMPL R12, $-2                       // commentLine
	JLE  comment
	CMPB (R13), $32
	JNE  done

	MOVQ 1(R13), AX
	ZEROS(AX)
	DIGITS
	JZ   done
	COUNT
	CMPQ CX, $15
	JB   done
	MOVQ CX, R15
	SHRQ $3, R15
	LEAQ 1(R13)(R15*1), R13             // behind the digits
	FIRST
	SPELL
	MOVL (R13), CX
	CMPB CX, $10
	JEQ  integer
	CMPB CX, $46                        // .
	JNE  done
	ANDL $0xFFFFFF, CX
	CMPL CX, $0x0A302E                  // .0 and a new line
	JNE  point
	ADDQ $2, R13

integer:
	XORPS X0, X0
	CVTSQ2SD AX, X0

value:
	INCQ R13                            // behind the line
	TESTL R12, R12                      // no slot: nobody wants the value
	JS   read
	CMPQ R10, R11
	JAE  done
	MOVSD X0, (R10)
	ADDQ $8, R10

read:
	MOVQ R13, SI
	ADDQ $4, BX
	JMP  line

	// AX has the R15 digits before the point, R13 is where that is. What comes is left to Page.whole where it has more
	// than 16 digits, or more than 64 bits have room for.
point:
	MOVQ AX, X4
	MOVQ R15, X5
	MOVQ 1(R13), AX
	ZEROS(AX)
	DIGITS
	JZ   eight
	COUNT
	CMPQ CX, $15
	JB   done
	MOVQ CX, R15
	SHRQ $3, R15
	FIRST
	SPELL
	JMP  decimal

eight:
	SPELL
	MOVQ AX, X6
	MOVQ $8, R15
	MOVQ 9(R13), AX
	ZEROS(AX)
	DIGITS
	JZ   sixteen
	COUNT
	CMPQ CX, $15
	JB   first
	MOVQ CX, R15
	SHRQ $3, R15
	FIRST
	JMP  second

first:
	MOVQ X6, AX
	JMP  decimal

sixteen:
	MOVQ $8, R15

second:
	SPELL
	LEAQ ·integerPowers(SB), DX
	MOVQ X6, CX
	IMULQ (DX)(R15*8), CX
	ADDQ CX, AX
	ADDQ $8, R15

	// AX is what R15 digits behind the point spell.
decimal:
	LEAQ 1(R13)(R15*1), R13
	CMPB (R13), $10
	JNE  done
	MOVQ X5, CX
	ADDQ R15, CX
	CMPQ CX, $const_mostDigits
	JA   done
	LEAQ ·integerPowers(SB), DX
	MOVQ X4, CX
	IMULQ (DX)(R15*8), CX
	ADDQ CX, AX                         // all digits; to be divided by 10 to the power of R15
	MOVQ AX, CX
	SHRQ $53, CX
	JNZ  long
	CMPQ R15, $15
	JA   long
	XORPS X0, X0
	CVTSQ2SD AX, X0                     // both are exact
	LEAQ ·powers(SB), DX
	DIVSD (DX)(R15*8), X0
	JMP  value

	// As in quotient: more than 60 bits of the quotient, the last one set where something is left.
long:
	BSRQ AX, CX
	JZ   done
	XORQ $63, CX
	MOVQ CX, X6
	SHLQ CX, AX
	MOVQ AX, DX
	SHRQ $2, DX
	SHLQ $62, AX
	SHLQ $4, R15
	LEAQ ·divisors(SB), CX
	ADDQ CX, R15
	DIVQ divisor_high(R15)
	NEGQ DX
	SBBQ DX, DX
	NEGQ DX
	ORQ  DX, AX
	XORPS X0, X0
	CVTSQ2SD AX, X0
	MOVQ divisor_exponent(R15), AX
	MOVQ X6, CX
	SUBQ CX, AX
	SHLQ $52, AX
	MOVQ AX, X1
	MULSD X1, X0
	JMP  value

comment:
	JNE  done                           // what ends a page
	CMPB (R13), $10
	JNE  done
	LEAQ 1(R13), SI
	ADDQ $4, BX
	JMP  line

done:
	MOVQ s+0(FP), AX
	SUBQ skimming_page(AX), SI
	MOVQ SI, skimming_taken(AX)
	SUBQ skimming_entries(AX), BX
	SHRQ $2, BX
	MOVQ BX, skimming_read(AX)
	SUBQ skimming_values(AX), R10
	SHRQ $3, R10
	MOVQ R10, skimming_filled(AX)
	RET
