package ledger

// steps are the points of a write between which a process may die. A test dies at each of them.
var steps = []string{
	"append.begin", "append.commit", "append.done",
	"page.begin", "page.torn", "page.ahead", "page.headless", "page.done", "page.synced", "page.noted", "page.forgotten", "page.removed",
	"aside.begin", "aside.named", "aside.moved", "aside.begun",
}

// atStep is called at each step.
var atStep = func(string) {}

func step(name string) { atStep(name) }
