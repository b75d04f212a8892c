# As broctl of Bro 2 has it.
@load site/local
@load broctl
@load base/frameworks/communication
@load ../layout/standalone-layout
