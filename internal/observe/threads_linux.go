package observe

import (
	"fmt"
	"io/fs"
	"strconv"
)

// threads are those of a process. A thread that nobody gave a name has that of the
// one that started it, in the end the first one's.
func threads(pid int) []thread {
	dir := fmt.Sprintf("proc/%d/task", pid)
	tasks, err := fs.ReadDir(root, dir)
	if err != nil {
		return nil
	}
	var all []thread
	first := ""
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		line, err := fs.ReadFile(root, dir+"/"+task.Name()+"/stat")
		if err != nil {
			continue // it has ended
		}
		s, err := parseStat(line)
		if err != nil {
			continue
		}
		if id == pid {
			first = s.name
		}
		all = append(all, thread{id: threadID{pid, id, s.started}, name: s.name, cpu: s.cpu})
	}
	for i := range all {
		all[i].own = all[i].name != first
	}
	return all
}
