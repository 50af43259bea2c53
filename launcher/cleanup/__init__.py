"""What goes, and when: images, leftovers of killed processes, students' folders nobody needs."""
