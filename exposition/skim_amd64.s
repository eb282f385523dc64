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

	// How many bytes are digits: what is left of a byte, without the bits of '0', is above 9 in the first that is none.
	MOVQ 1(R13), AX
	MOVQ $0x3030303030303030, CX
	XORQ CX, AX
	MOVQ $0x7676767676767676, CX
	LEAQ (AX)(CX*1), CX
	ORQ  AX, CX
	MOVQ $0x8080808080808080, DX
	ANDQ DX, CX
	BSFQ CX, CX                         // 8 * digits + 7
	JZ   done
	CMPQ CX, $15
	JB   done
	MOVQ CX, DX
	SHRQ $3, DX
	LEAQ 1(R13)(DX*1), R13              // behind the digits
	MOVL (R13), R15
	CMPB R15, $10
	JEQ  integer
	ANDL $0xFFFFFF, R15
	CMPL R15, $0x0A302E                 // .0 and a new line
	JNE  done
	ADDQ $2, R13

integer:
	INCQ R13                            // behind the line

	// The digits go to the high end; pairs of them are added up, then fours, then all.
	NEGQ CX
	ADDQ $71, CX
	SHLQ CX, AX
	MOVQ AX, CX
	SHRQ $8, CX
	LEAQ (AX)(AX*4), AX
	LEAQ (CX)(AX*2), AX
	MOVQ $0x000000FF000000FF, DX
	MOVQ AX, CX
	ANDQ DX, CX
	MOVQ $0x000F424000000064, R15
	IMULQ R15, CX
	SHRQ $16, AX
	ANDQ DX, AX
	MOVQ $0x0000271000000001, R15
	IMULQ R15, AX
	ADDQ CX, AX
	SHRQ $32, AX
	TESTL R12, R12                      // no slot: nobody wants the value
	JS   read
	CMPQ R10, R11
	JAE  done
	XORPS X0, X0
	CVTSQ2SD AX, X0
	MOVSD X0, (R10)
	ADDQ $8, R10

read:
	MOVQ R13, SI
	ADDQ $4, BX
	JMP  line

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
